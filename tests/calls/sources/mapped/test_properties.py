"""Any calls, written out with any names, forms, units and zones, come back as they were."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from calls.models import Status
from calls.notations import RawRecord
from calls.sources.mapped.answers import answered
from calls.sources.mapped.naming import IS_INVERTED, SYNONYMS, TIMELIKE, YES_MEANS
from calls.sources.mapped.proposing import propose
from calls.sources.mapped.vocabulary import STATUS_WORDS, USAGE_WORDS
from tests.calls.sources.mapped.reading import NOW, results, source_of

FIRST = datetime(2026, 11, 3, tzinfo=UTC)  # no clock is changed between then and now
ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Call(NamedTuple):
    """A call; ``rings`` and ``talks`` are microseconds, ``talks`` is None where nobody answered."""

    call_id: str
    usage_type: str
    status: str
    started_at: datetime
    rings: int
    talks: int | None

    @property
    def connected_at(self):
        return None if self.talks is None else later(self.started_at, self.rings)

    @property
    def ended_at(self):
        return later(self.started_at, self.rings + (self.talks or 0))


def later(at, microseconds):
    return at + timedelta(microseconds=microseconds)


def local(pattern) -> Callable[[datetime, ZoneInfo], str]:
    return lambda at, zone: at.astimezone(zone).strftime(pattern)


def since_1970(per_second):
    return lambda at, zone: str((at - EPOCH) // timedelta(microseconds=1) * per_second // 1_000_000)


# How times are written: the form, whether it has microseconds, and the text of one.
FORMS = {
    "iso": ("iso", True, lambda at, zone: at.astimezone(zone).replace(tzinfo=None).isoformat()),
    "with offset": ("iso", True, lambda at, zone: at.astimezone(zone).isoformat(" ")),
    "with zone": ("iso", False, lambda at, zone: f"{at:%Y-%m-%d %H:%M:%S} GMT+0"),
    "slashes": ("ymd", False, local("%Y/%m/%d %H:%M:%S")),
    "day first": ("dmy", False, local("%d/%m/%Y %H:%M:%S")),
    "short day first": ("dmy", False, local("%-d.%-m.%y %-H:%M:%S")),
    "month first": ("mdy", False, local("%m/%d/%Y %I:%M:%S %p")),
    "letters": ("dmy", False, local("%-d %B %Y, %-I:%M:%S %p")),
    "rfc2822": ("rfc2822", False, local("%a, %d %b %Y %H:%M:%S %z")),
    "seconds": ("epoch_s", False, since_1970(1)),
    "milliseconds": ("epoch_ms", False, since_1970(1_000)),
    "microseconds": ("epoch_us", True, since_1970(1_000_000)),
}


def in_clock(length):
    minutes, seconds = divmod(length // 1_000_000, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def in_words(length):
    minutes, seconds = divmod(length // 1_000_000, 60)
    return f"{minutes}m {seconds}s"


UNITS: dict[str, Callable[[int], str]] = {
    "s": lambda length: f"{length / 1_000_000:.6f}".rstrip("0").rstrip("."),
    "ms": lambda length: f"{length / 1_000:.3f}",
    "us": str,
    "min": lambda length: f"{length / 60_000_000:.12f}",
    "h:m:s": in_clock,
    "words": in_words,
    "iso8601": lambda length: f"PT{length / 1_000_000:.6f}S",
}
FINE_UNITS = ("s", "ms", "us", "iso8601")  # those written with microseconds
HINTS = {"s": "s", "ms": "ms", "us": "us", "min": "minutes"}

# Which lengths and times tell a call, besides its start.
ENDINGS = [
    ("connected_at", "ended_at"),
    ("connected_at", "talk"),
    ("connected_at", "ended_at", "talk"),
    ("ended_at", "talk"),
    ("waiting", "talk"),
    ("total", "talk"),
]


class File(NamedTuple):
    """Calls as some system writes them, and the profile that says so."""

    calls: list[Call]
    zone: str
    columns: list[str]
    rows: list[list[str]]
    profile: dict
    form: str
    units: dict[str, str]


def only_of(part):
    """The names that mean one part of a call, and no other."""
    others = {
        word for other, words in SYNONYMS.items() if other != part for word in words.split(";")
    }
    return [
        word
        for word in SYNONYMS[part].split(";")
        if word not in others | IS_INVERTED | YES_MEANS.keys()
        and (not part.endswith("_at") or TIMELIKE.search(word))
    ]


@st.composite
def words_for(draw, meanings, known):
    """One word for each meaning, in any spelling."""
    chosen = {}
    for meaning in meanings:
        word = draw(st.sampled_from([word for word, meant in known.items() if meant == meaning]))
        spellings = [word, word.title(), word.upper(), word.replace(" ", "_")]
        chosen[str(meaning)] = draw(st.sampled_from(spellings))
    return chosen


@st.composite
def calls(draw, step):
    """Calls at different minutes, with times and lengths in steps of so many microseconds."""

    def length(most):
        return st.integers(0, most * 1_000_000 // step).map(lambda steps: steps * step)

    made = []
    minutes = draw(st.lists(st.integers(0, 24 * 24 * 60), min_size=1, max_size=12, unique=True))
    for number, minute in enumerate(minutes):
        status = draw(st.sampled_from([Status.COMPLETED, *Status]))
        call = Call(
            call_id=f"c-{number}",
            usage_type=draw(st.sampled_from(["outbound", "inbound"])),
            status=status.value,
            started_at=later(FIRST + timedelta(minutes=minute), draw(length(59))),
            rings=draw(length(60)),
            talks=draw(length(3_000)) + step if status is Status.COMPLETED else None,
        )
        made.append(call)
    return made


@st.composite
def files(draw):
    form, has_microseconds, written = FORMS[draw(st.sampled_from(sorted(FORMS)))]
    ending = draw(st.sampled_from(ENDINGS))
    zone = draw(st.sampled_from(ZONES))
    usable = [unit for unit in UNITS if unit in FINE_UNITS or not has_microseconds]
    units = {part: draw(st.sampled_from(usable)) for part in ("talk", "waiting", "total")}
    made = draw(calls(1 if has_microseconds else 1_000_000))
    parts = draw(st.permutations(["call_id", "usage_type", "status", "started_at", *ending]))
    names = {}
    for part in parts:
        name = draw(st.sampled_from(only_of(part)))
        if units.get(part) in HINTS:
            name = f"{name} ({HINTS[units[part]]})"
        names[part] = draw(st.sampled_from([name, name.title(), name.replace(" ", "_")]))
    statuses = draw(words_for(list(Status), STATUS_WORDS))
    usages = draw(words_for(["outbound", "inbound"], USAGE_WORDS))

    def text_of(part, call):
        if part == "call_id":
            return call.call_id
        if part == "status":
            return statuses[call.status]
        if part == "usage_type":
            return usages[call.usage_type]
        if part.endswith("_at"):
            at = getattr(call, part)
            return "" if at is None else written(at, ZoneInfo(zone))
        length = {
            "talk": call.talks,
            "waiting": call.rings,
            "total": call.rings + (call.talks or 0),
        }[part]
        return "" if length is None else UNITS[units[part]](length)

    profile = {
        "call_id": {"columns": [names["call_id"]]},
        "usage_type": {"column": names["usage_type"], "words": {k: [w] for k, w in usages.items()}},
        "status": {"column": names["status"], "words": {k: [w] for k, w in statuses.items()}},
        **{
            part: {"columns": [names[part]], "form": form} for part in parts if part.endswith("_at")
        },
        **{part: {"column": names[part], "unit": units[part]} for part in ending if part in units},
    }
    return File(
        calls=made,
        zone=zone,
        columns=[names[part] for part in parts],
        rows=[[text_of(part, call) for part in parts] for call in made],
        profile=profile,
        form=form,
        units=units,
    )


def facts(call):
    """What of a call every file tells: the end of one that nobody answered is not always."""
    answered = call.status == Status.COMPLETED
    ended_at = call.ended_at if answered else None
    return (
        call.call_id,
        call.usage_type,
        call.status,
        call.started_at,
        call.connected_at,
        ended_at,
    )


def read_back(file, profile):
    read = results(source_of(profile, file.columns, zone=file.zone), file.rows)
    return [facts(one.record) if hasattr(one.record, "call_id") else one.record for one in read]


@given(file=files())
@settings(max_examples=100, deadline=None)
def test_calls_come_back_by_the_profile_of_their_file(file):
    assert read_back(file, file.profile) == [facts(call) for call in file.calls]


@given(file=files())
@settings(max_examples=100, deadline=None)
def test_calls_come_back_by_what_is_proposed_where_its_questions_are_answered(file):
    sample: list[RawRecord[Mapping[str, str]]] = [
        RawRecord(number, "", dict(zip(file.columns, row, strict=True)))
        for number, row in enumerate(file.rows, 2)
    ]
    proposal = propose(file.columns, sample, zone=ZoneInfo(file.zone), now=NOW)
    profile = proposal.profile
    assert profile is not None
    for question in proposal.questions:
        field, _, part = question.topic.partition(":")
        true_answer = {"dates": file.form, "unit": file.units.get(part, "")}[field]
        profile = answered(profile, question.topic, true_answer)
    assert read_back(file, profile) == [facts(call) for call in file.calls]
