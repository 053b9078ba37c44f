"""Which column of an unknown file tells which part of a call: by its name, and by its values.

No column is taken for two parts, save a column of dates that goes with several times of day.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from calls.notations import RawRecord
from calls.notations.nothing import telephone_number
from calls.sources.mapped.columns import FITTING_MIN, Column
from calls.sources.mapped.naming import BEHIND_SYNONYMS, YES_MEANS, rank
from calls.sources.mapped.vocabulary import (
    INVERTED,
    status_meant,
    tells_status,
    tells_usage,
    usage_meant,
)

Sample: TypeAlias = Sequence[RawRecord[Mapping[str, str]]]
Parts: TypeAlias = Mapping[str, tuple[Column, ...]]  # the columns of each part of a call

TIMES: Final = ("started_at", "ended_at", "connected_at")
LENGTHS: Final = ("talk", "waiting", "total")
LONG_TEXT: Final = 200

# Whatever stands in a column with such a name, it is the ID of a call.
NAMES_OF_IDS: Final = frozenset(
    (
        *("call id", "callid", "call uuid", "call sid", "uuid", "uniqueid", "unique id"),
        *("call unique id", "cdr id", "call reference", "call ref", "call key"),
    )
)


def _is_id(column: Column) -> bool:
    return _is_in_each(column) and column.is_unique


def _is_repeated_id(column: Column) -> bool:
    """Whether it is the ID of calls that stand on several lines: corrected, or transferred."""
    return column.name.words in NAMES_OF_IDS and _is_in_each(column)


def _is_in_each(column: Column) -> bool:
    """Whether nearly each record may have an ID there: a line of totals has none."""
    told = len(column.values)
    return told >= FITTING_MIN * (len(column.texts) - 1) and not column.is_clock


def _is_group(column: Column) -> bool:
    return len(column.distinct) > 1 and all(len(text) >= 6 for text in column.distinct)


def _is_id_of_carrier(column: Column) -> bool:
    return not column.is_empty and not column.is_clock


def _is_number(column: Column) -> bool:
    return column.fits(lambda text: telephone_number(text) is None or _is_party(text))


def _is_party(text: str) -> bool:
    """Whether a text may name a party: a number, an address, a short code, a name of a client."""
    return len(text) <= 100 and not (":" in text and text.replace(":", "").isdigit())


def _is_word_of_status(column: Column) -> bool:
    known = sum(status_meant(text) is not None for text in column.distinct)
    return column.has_few_words and known > 0 and not column.forms


def _is_word_of_direction(column: Column) -> bool:
    if column.name.words in YES_MEANS:
        return column.fits(lambda text: status_meant(text) in INVERTED)
    known = sum(usage_meant(text) is not None for text in column.distinct)
    return column.has_few_words and known > 0


def _has_zone_names(column: Column) -> bool:
    return column.fits(lambda text: "/" in text or text.upper() in ("UTC", "GMT"))


TESTS: Final[Mapping[str, Callable[[Column], bool]]] = {
    **dict.fromkeys(TIMES, lambda column: bool(column.forms)),
    **dict.fromkeys(LENGTHS, lambda column: bool(column.units)),
    "call_id": _is_id,
    "group": _is_group,
    "usage_type": _is_word_of_direction,
    "status": _is_word_of_status,
    "zone": _has_zone_names,
    "from": _is_number,
    "to": _is_number,
    "other_party": _is_number,
    "agent": lambda column: column.fits(lambda text: len(text) <= LONG_TEXT),
    "revised_at": lambda column: bool(column.forms),
    "carrier_id": _is_id_of_carrier,
    "remarks": lambda column: not column.is_empty,
}
# What is surest is taken first.
ORDER: Final = tuple(TESTS)


def assigned(columns: Sequence[Column]) -> dict[str, tuple[Column, ...]]:
    """Return the column of each part that one was found for; of a time perhaps date and time."""
    taken: dict[str, tuple[Column, ...]] = {}
    free = [column for column in columns if not column.is_empty]
    # A name that says exactly what it is goes before one that only sounds like it.
    for only_synonyms in (True, False):
        for part in ORDER:
            if part in taken:
                continue
            found = _best(part, free, only_synonyms)
            if found is not None:
                taken[part] = (found,)
                free.remove(found)
            if part == "connected_at" and only_synonyms:
                _take_times_of_day(taken, free)
    _take_times_of_day(taken, free)
    _take_by_values(taken, free)
    if "call_id" not in taken:
        repeated = next((column for column in free if _is_repeated_id(column)), None)
        if repeated is not None:
            taken["call_id"] = (repeated,)
    return taken


def repeated_id(columns: Sequence[Column], parts: Parts) -> Column | None:
    """The column that is, or by its name might be, an ID which several records have."""
    if "call_id" in parts:
        (column,) = parts["call_id"]
        return column if len(column.distinct) < len(column.values) else None
    used = {column.title for own in parts.values() for column in own}
    named = [
        (place, column.place, column)
        for column in columns
        if column.title not in used
        and (place := rank("call_id", column.name.words)) is not None
        and _is_in_each(column)
        and not column.forms
        and len(column.distinct) > 1
    ]
    return min(named, key=lambda one: one[:2])[2] if named else None


def _take_by_values(taken: dict[str, tuple[Column, ...]], free: list[Column]) -> None:
    """Take a column by what stands in it, where no name told and there is just one such column."""
    if not any(part in taken for part in TIMES):
        dates = [column for column in free if column.date_forms]
        clocks = [column for column in free if column.is_clock]
        if full := [column for column in free if column.forms]:
            found = full
        else:
            found = [*dates, *clocks] if len(dates) == len(clocks) == 1 else []
        if len(full) < 2 and found:
            taken["started_at"] = tuple(found)
    for part, tells in (("status", tells_status), ("usage_type", tells_usage)):
        if part not in taken:
            told = [column for column in free if column.has_few_words and tells(column.distinct)]
            if len(told) == 1:
                taken[part] = (told[0],)
                free.remove(told[0])


def _best(part: str, free: Sequence[Column], only_synonyms: bool) -> Column | None:
    fitting = [
        (place, column.place, column)
        for column in free
        if (place := rank(part, column.name.words)) is not None
        and (place < BEHIND_SYNONYMS or not only_synonyms)
        and TESTS[part](column)
    ]
    return min(fitting, key=lambda one: one[:2])[2] if fitting else None


def _take_times_of_day(taken: dict[str, tuple[Column, ...]], free: list[Column]) -> None:
    """Join columns of dates and of times of day: each time with its own date, else the first."""
    dates = [column for column in free if column.date_forms]
    if not dates:
        return
    for part in TIMES:
        if part in taken:
            continue
        clocks = [column for column in free if column.is_clock]
        named = [
            (place, column.place, column)
            for column in clocks
            if (place := rank(part, column.name.words)) is not None
        ]
        if not named:
            continue
        clock = min(named, key=lambda one: one[:2])[2]
        own = [
            (place, date.place, date)
            for date in dates
            if (place := rank(part, date.name.words)) is not None
        ]
        date = min(own, key=lambda one: one[:2])[2] if own else dates[0]
        taken[part] = (date, clock)
        free.remove(clock)
