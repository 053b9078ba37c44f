"""What the names of columns say: which part of a call they tell, in which unit and zone.

English names, as systems write them: ``startedAt``, ``Start time (UTC)``, ``length_in_sec``; after
them those of `calls.sources.mapped.other_languages`.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from billing.plans.rating import UsageType
from billing.zones import is_known
from calls.sources.mapped import other_languages
from calls.sources.mapped.vocabulary import without_accents

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BRACKETS: Final = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_NO_WORD: Final = re.compile(r"[^a-z0-9]+")

UNIT_WORDS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "usec", "microseconds"), "us"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hh mm ss", "h mm ss", "h m s", "hms"), "h:m:s"),
    **dict.fromkeys(("mm ss", "m ss", "m s"), "m:s"),
    **dict.fromkeys(("hh mm", "h mm", "h m"), "h:m"),
}
_UNITS_AT_END: Final = re.compile(
    rf"(.*?)\s*\b(?:in )?({'|'.join(sorted(UNIT_WORDS, key=len, reverse=True))})"
)
_ZONE_HINT: Final = re.compile(r"(?:utc|gmt)?\s*[+-]\d{1,2}(?::?\d{2})?|utc|gmt|z", re.IGNORECASE)


class Name(NamedTuple):
    """The name of a column: its ``words``, small and without units and zones, and its hints."""

    words: str
    unit: str = ""
    zone: str = ""


def name_of(column: str) -> Name:
    """Take a name apart: ``Wait (s)`` is "wait" in "s"."""
    unit = zone = ""
    kept = []
    column = without_accents(column)
    for inner in _BRACKETS.findall(column):
        plain = _NO_WORD.sub(" ", inner.lower()).strip()
        if plain in UNIT_WORDS:
            unit = UNIT_WORDS[plain]
        elif _ZONE_HINT.fullmatch(inner.strip()) or _is_place(inner.strip()):
            zone = inner.strip()
        else:
            kept.append(inner)
    outer = _HUMP.sub(" ", " ".join([_BRACKETS.sub(" ", column), *kept]))
    words = _NO_WORD.sub(" ", outer.lower()).strip()
    if words.endswith((" utc", " gmt")):
        words, zone = words[:-4].strip(), zone or "UTC"
    if not unit and (found := _UNITS_AT_END.fullmatch(words)) and found[1]:
        unit = UNIT_WORDS[found[2]]
        # "bill sec" is a name as a whole; what is left of it would be none.
        words = words if words in _EVERY_SYNONYM else found[1]
    elif not unit and words in _EVERY_SYNONYM:
        unit = UNIT_WORDS.get(words, "")  # "minutes" is a name and its unit
    return Name(words, unit, zone)


def _is_place(text: str) -> bool:
    return "/" in text and is_known(text)


# For each part of a call the names for it, the likeliest first.
SYNONYMS: Final[Mapping[str, str]] = {
    "call_id": (
        "call id;call uuid;call sid;callid;uuid;uniqueid;unique id;call unique id;conversation id;"
        "contact id;interaction id;session id;call session id;call leg id;sid;cdr id;record id;"
        "conversation;global call id call id;cgrid;origin id;call reference;call ref;reference;"
        "reference id;"
        "reference no;reference number;ref;ref no;id;call;call no;call key"
    ),
    "group": (
        "linkedid;linked id;parent call sid;parent call uuid;parent call id;parent id;parent uuid;"
        "parent sid"
    ),
    "usage_type": (
        "usage type;direction;call direction;call type;communication type;type;kind;in out;"
        "inbound;is inbound;outbound;is outbound"
    ),
    "status": (
        "ended reason;end reason;disconnection reason;disconnect reason;termination reason;"
        "hangup cause;hangup reason;disposition;call disposition;answered;answered y n;is answered;"
        "was answered;status;call status;result;call result;outcome;call outcome;state;call state;"
        "reason;term reason;end status;status name;missed;missed call;is missed;abandoned"
    ),
    "started_at": (
        "started at;start time;start;start timestamp;start date time;start datetime;call start;"
        "call start time;call started at;call started;started;date time start;time start;starttime;"
        "begin time;began at;begin;initiation time;initiated at;initiation timestamp;setup time;"
        "invite time;start time unix;date time;datetime;date and time;call date time;call datetime;"
        "date time origination;called on;called at;placed at;dialed at;dialled at;"
        "calldate;call date;call time;timestamp;time stamp;date of call;time of call;start date;"
        "created at;created;date created;creation time;date;time;when"
    ),
    "connected_at": (
        "connected at;answered at;answer time;answer;answered time;answertime;connect time;"
        "connection time;call answer time;answer timestamp;connected;connect;time answered;"
        "date time connect;pickup time;picked up at;answered;talk start;answer date time"
    ),
    "ended_at": (
        "ended at;end time;end;end timestamp;end date time;end datetime;call end time;call end;"
        "call ended at;call ended;ended;date time end;time end;endtime;"
        "date time disconnect;hangup time;hung up at;"
        "hangup at;disconnect time;disconnected at;disconnect timestamp;finished at;finish time;"
        "stop time;completed at;end date"
    ),
    "revised_at": "revised at;updated at;last updated;modified at;last modified",
    "talk": (
        "talk time;talktime;talk;talk duration;billsec;bill sec;billable;billable time;"
        "bill duration;billing;conversation time;conversation duration;in call duration;"
        "duration in call;time in call;connected duration;connected time;answered duration;"
        "speaking time;talking time"
    ),
    "waiting": (
        "wait;waiting;wait time;waiting time;wait duration;waiting duration;time to answer;"
        "speed of answer;ring time;ringing time;ring duration;ring;ringing;queue time;queue wait;"
        "queue wait time;time in queue;queue;queue duration"
    ),
    "total": (
        "duration;call duration;total duration;duration total;call length;length;total call time;"
        "total call duration;total time;total;elapsed;elapsed time;call duration total;seconds;"
        "minutes;usage;time"
    ),
    "agent": (
        "agent;agent name;assistant;assistant name;bot;bot name;ai agent;user name;user;operator;"
        "handled by;answered by;advisor;representative;rep;employee;owner;assistant id;agent id"
    ),
    "from": (
        "from;from number;from phone number;from no;caller;caller number;caller id;"
        "caller id number;calling number;caller phone;calling party number;calling party;"
        "source;source number;src;"
        "ani;a number;cli;originator;origin;originating number"
    ),
    "to": (
        "to;to number;to phone number;to no;called;called number;callee;callee number;called party;"
        "final called party number;destination;destination number;dst;dnis;b number;"
        "dialed number;dialled number;"
        "number dialed;number dialled;phone number dialed;recipient;receiver"
    ),
    "other_party": (
        "customer number;customer phone;customer phone number;phone number;phone;contact number;"
        "mobile;mobile number;client number;lead phone;msisdn;number;telephone;"
        "customer no;customer;client no;client"
    ),
    "remarks": (
        "remarks;remark;notes;note;comment;comments;topic;subject;userfield;category;campaign;"
        "campaign name;tags"
    ),
    "carrier_id": (
        "carrier id;carrier call id;carrier s id;phone call provider id;provider call id;"
        "twilio call sid;telephony call id;sip call id;call control id"
    ),
    "zone": "time zone;timezone;tz;zone",
}

# What a name may have in it where it is none of these.
PATTERNS: Final[Mapping[str, re.Pattern[str]]] = {
    "call_id": re.compile(
        r"\b(ref|reference|uuid|guid)\b|\b(call|conversation|session|interaction)\b.*\b(id|key|sid)\b"
    ),
    "connected_at": re.compile(r"\b(answer|connect|pick(ed)? ?up)"),
    "ended_at": re.compile(r"\b(end(ed)?|hang ?up|hung up|disconnect|finish|stop|complet)"),
    "started_at": re.compile(r"\b(start|began|begin|initiat|date|setup|created)"),
    "talk": re.compile(r"\b(talk|bill ?sec|conversation|speak|in call)"),
    "waiting": re.compile(r"\b(wait|ring|queue)"),
    "total": re.compile(r"\b(duration|length|elapsed)"),
    "usage_type": re.compile(r"\b(direction|inbound|outbound)"),
    "status": re.compile(r"\b(status|disposition|outcome|result|reason|cause|answered)"),
    "agent": re.compile(r"\b(agent|assistant)\b"),
    "from": re.compile(r"\b(from|caller|calling|source)\b"),
    "to": re.compile(r"\b(to|called|callee|destination|dial+ed)\b"),
    "other_party": re.compile(r"\b(phone|mobile|telephone|msisdn)\b"),
}
BEHIND_SYNONYMS: Final = 1_000

DROPPED: Final = re.compile(
    r"\b(transcripts?|transcription|recordings?|recordingfile|audio|messages|summary)\b"
)
TIMELIKE: Final = re.compile(
    r"\b(start|end|answer|connect|time|date|stamp|created|updated|began|hang ?up|at)"
)
# Columns of yes and no that say who called whom, by what a yes means.
YES_MEANS: Final = {
    **dict.fromkeys(("inbound", "is inbound"), UsageType.INBOUND),
    **dict.fromkeys(("outbound", "is outbound"), UsageType.OUTBOUND),
}
IS_INVERTED: Final = frozenset({"missed", "missed call", "is missed", "abandoned"})


def rank(part: str, words: str) -> int | None:
    """How well ``words`` name a part of a call: 0 is best, None not at all."""
    synonyms = _RANKS[part]
    if words in synonyms:
        return synonyms[words]
    pattern = PATTERNS.get(part)
    return BEHIND_SYNONYMS if pattern and pattern.search(words) else None


_RANKS: Final = {
    part: {
        words: place
        for place, words in enumerate(
            f"{synonyms};{other_languages.SYNONYMS.get(part, '')}".strip(";").split(";")
        )
    }
    for part, synonyms in SYNONYMS.items()
}
_EVERY_SYNONYM: Final = frozenset(words for synonyms in _RANKS.values() for words in synonyms)
