"""What the words of files usually mean: how a call ended, and who called whom.

Only words whose meaning is the same everywhere. ``voicemail`` is not among them: to one system it
is an answered call, to the other a missed one.
"""

import re
from collections.abc import Mapping
from typing import Final

from billing.plans.rating import UsageType
from calls.models import Status

_STATUSES: Final = {
    Status.COMPLETED: (
        "completed;complete;answered;answer;yes;y;true;1;connected;success;successful;succeeded;ok;"
        "ended;done;finished;handled;served;picked up;human answered;normal clearing;"
        "normal call clearing;call ended;call completed;customer ended call;assistant ended call;"
        "agent hangup;user hangup;customer hangup;caller hangup;callee hangup;client hangup;"
        "customer hungup;agent hungup;hangup;user ended call;agent ended call;"
        "assistant said end call phrase;assistant forwarded call;call transfer;call transferred;"
        "transferred;max duration reached;exceeded max duration;silence timed out;inactivity;"
        "ja;oui;si;sí;sim;ano;tak"
    ),
    Status.NO_ANSWER: (
        "no answer;noanswer;no;n;false;0;missed;missed call;unanswered;not answered;no pickup;"
        "customer did not answer;dial no answer;ring no answer;rna;did not answer;no user response;"
        "abandoned;abandon;abandoned by caller;caller abandoned;not connected;ring timeout;"
        "cancel;canceled;cancelled;originator cancel;caller cancelled;lost;no response;not picked;"
        "not picked up;nein;non;nao;não;nie"
    ),
    Status.BUSY: "busy;customer busy;dial busy;user busy;line busy;engaged;subscriber busy",
    Status.FAILED: (
        "failed;failure;fail;error;congestion;dial failed;invalid;invalid number;unreachable;"
        "not reachable;switched off;out of service;network error;network failure;"
        "call rejected;rejected;declined;unallocated number;unavailable;chanunavail;"
        "no route destination;number not in service;system error;not found"
    ),
    Status.BLOCKED: (
        "blocked;dnc;do not call;dnd;disallowed;blocked by policy;policy;marked as spam;spam;"
        "number blocked;denied"
    ),
}
_USAGE_TYPES: Final = {
    UsageType.OUTBOUND: "outbound;out;outgoing;o;dialed;dialled;placed;made;outward;manual",
    UsageType.INBOUND: "inbound;in;incoming;i;received;inward",
    UsageType.TRANSLATION: "translation",
}
BEGINNINGS: Final = {
    "outbound": UsageType.OUTBOUND,
    "outgoing": UsageType.OUTBOUND,
    "inbound": UsageType.INBOUND,
    "incoming": UsageType.INBOUND,
}
_NO_WORD: Final = re.compile(r"[\s_\-./]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

STATUS_WORDS: Final[Mapping[str, Status]] = {
    word: status for status, words in _STATUSES.items() for word in words.split(";")
}
USAGE_WORDS: Final[Mapping[str, UsageType]] = {
    word: usage for usage, words in _USAGE_TYPES.items() for word in words.split(";")
}
INVERTED: Final = {Status.COMPLETED: Status.NO_ANSWER, Status.NO_ANSWER: Status.COMPLETED}


def as_words(text: str) -> str:
    """``customer-did-not-answer`` and ``customerDidNotAnswer`` as "customer did not answer"."""
    return _NO_WORD.sub(" ", _HUMP.sub(" ", text)).strip().lower()


def status_meant(text: str) -> Status | None:
    """What a word says about the end of a call; None where it is not known."""
    words = as_words(text)
    return STATUS_WORDS.get(words) or STATUS_WORDS.get(words.removesuffix(" call"))


def usage_meant(text: str) -> UsageType | None:
    """What a word says about who called whom; None where it is not known."""
    words = as_words(text)
    if (usage := USAGE_WORDS.get(words)) is not None:
        return usage
    return next(
        (usage for beginning, usage in BEGINNINGS.items() if words.startswith(beginning)), None
    )
