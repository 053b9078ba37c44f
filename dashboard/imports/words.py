"""What the import pages call things: how times and lengths are written, how calls end."""

from collections.abc import Iterable, Mapping

from billing.plans.rating import UsageType
from calls.models import Status
from calls.notations.layout import ENCODINGS
from calls.sources.mapped.profile import FORMS, UNITS

Choices = list[tuple[str, str]]

FORM_WORDS: Mapping[str, str] = {
    "iso": "2026-11-23T14:05:09Z",
    "ymd": "2026-11-23 14:05:09, year first",
    "dmy": "23/11/2026, day first",
    "mdy": "11/23/2026, month first",
    "rfc2822": "Mon, 23 Nov 2026 14:05:09 +0530",
    "epoch_s": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
    "epoch_us": "microseconds since 1970",
    "epoch_ns": "nanoseconds since 1970",
    "excel": "number of a spreadsheet, 46349.58",
    "gregorian_s": "seconds since the year 0",
}
UNIT_WORDS: Mapping[str, str] = {
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "min": "minutes, 3.25",
    "h:m:s": "hours:minutes:seconds",
    "m:s": "minutes:seconds",
    "h:m": "hours:minutes",
    "words": "words, 3m 10s",
    "iso8601": "PT3M10S",
}
USAGE_TYPE_WORDS: Mapping[str, str] = {
    UsageType.OUTBOUND.value: "Outbound",
    UsageType.INBOUND.value: "Inbound",
    UsageType.TRANSLATION.value: "Translation",
}
STATUS_WORDS: Mapping[str, str] = {
    Status.COMPLETED.value: "Answered",
    Status.NO_ANSWER.value: "No answer",
    Status.BUSY.value: "Busy",
    Status.FAILED.value: "Failed",
    Status.BLOCKED.value: "Blocked",
}
# What a source can be told, by the name of its option: a label, and the words for its choices.
OPTION_LABELS: Mapping[str, str] = {
    "usage_type": "Calls are",
    "inbound_contexts": "Contexts of calls that were received (with commas)",
    "ignored_contexts": "Contexts of calls to leave out (with commas)",
    "internal_calls": "Calls between extensions",
    "dates": "Dates",
}
OPTION_WORDS: Mapping[str, str] = {
    **USAGE_TYPE_WORDS,
    "charge": "charged like any other call",
    "ignore": "left out",
    "ymd": "Year first: 2026-11-03 is 3 November",
    "dmy": "Day first: 3/11 is 3 November",
    "mdy": "Month first: 3/11 is 11 March",
}
SEPARATORS: Choices = [
    (",", "Comma  ,"),
    (";", "Semicolon  ;"),
    ("\t", "Tab"),
    ("|", "Vertical bar  |"),
]
ENCODING_CHOICES: Choices = list(ENCODINGS.items())


def choices(known: Iterable[str], words: Mapping[str, str]) -> Choices:
    """Each of ``known`` with the words for it, or itself where there are none."""
    return [(each, words.get(each, each)) for each in known]


FORM_CHOICES = choices(FORMS, FORM_WORDS)
UNIT_CHOICES = choices(UNITS, UNIT_WORDS)


def with_own(offered: Choices, value: str) -> Choices:
    """What is offered, and ``value`` as well where a file came with another one."""
    known = {each for each, _ in offered}
    return offered if value in known else [*offered, (value, value)]
