"""Which column of a row by Asterisk holds what: by the names of a header, else by the values.

The number of columns decides nothing: 19 columns are a ``Master.csv`` with the newer columns, or
the sample of ``cdr_custom``; 17 and 20 have two readings each. What decides is where the times, the
seconds and the disposition stand, and which of the columns after them look like a unique ID.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

BASE = (
    "accountcode",
    "src",
    "dst",
    "dcontext",
    "clid",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "start",
    "answer",
    "end",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
)
CUSTOM = (*BASE[4:5], *BASE[1:4], *BASE[5:], "accountcode")
TABLE = ("calldate", *CUSTOM[:8], "duration", "billsec", "disposition", "amaflags", "accountcode")

NEWER = ("peeraccount", "linkedid", "sequence")  # newcdrcolumns=yes
FREEPBX = ("did", "cnum", "cnam", "outbound_cnum", "outbound_cnam", "dst_cnam", "recordingfile")

# Seconds since 1970 and a counter, perhaps after the system's name: pbx1-1270167992.0
UNIQUEID = re.compile(r"(?:.+-)?(\d{9,})\.\d+")

# What the first reading says is taken where several fit equally well.
ORDERS: Sequence[tuple[str, ...]] = (
    BASE,
    (*BASE, "uniqueid"),
    (*BASE, "userfield"),
    (*BASE, "uniqueid", "userfield"),
    (*BASE, *NEWER),
    (*BASE, "uniqueid", *NEWER),
    (*BASE, "userfield", *NEWER),
    (*BASE, "uniqueid", "userfield", *NEWER),
    (*BASE, "userfield", "uniqueid", "linkedid", "peeraccount", "sequence"),  # Asterisk's table
    (*CUSTOM, "uniqueid"),
    (*CUSTOM, "uniqueid", "userfield"),
    (*CUSTOM, "uniqueid", "userfield", "sequence"),
    (*TABLE, "uniqueid"),
    (*TABLE, "uniqueid", "userfield"),
    (*TABLE, "uniqueid", "userfield", *NEWER),
    (*TABLE, "uniqueid", "userfield", "linkedid", "peeraccount", "sequence"),
    (*TABLE, "uniqueid", "userfield", *FREEPBX),
    (*TABLE, "uniqueid", "userfield", *FREEPBX, "linkedid", "peeraccount", "sequence"),
)
COLUMNS_MIN = len(BASE)
COLUMNS_MAX = len(BASE) + 5

# A header must name these; the rest can be done without.
NEEDED = frozenset({"src", "dst", "duration", "billsec", "disposition"})
TYPICAL = frozenset({"dcontext", "channel", "dstchannel", "lastapp", "lastdata", "amaflags"})
STARTS = ("start", "calldate")

DISPOSITIONS = frozenset(
    {"ANSWERED", "NO ANSWER", "BUSY", "FAILED", "CONGESTION", "CANCEL", "0", "2", "4", "8", "16"}
)
NOTHING = frozenset(
    {"", "NULL", "null", r"\N", "None", "N/A", "-", "0", "0000-00-00 00:00:00", "0.000000"}
)

_TIME = re.compile(
    r"\d{4}[-/]\d\d?[-/]\d\d?[T ]\d.*|\d\d?[-./]\d\d?[-./]\d{2,4},?[T ]+\d.*|\d{9,11}(?:\.\d+)?"
)
_SECONDS = re.compile(r"-?\d{1,9}(?:\.\d+)?")
_ENOUGH = 4  # of six columns that show where they stand


class _Place(NamedTuple):
    """Where the columns that tell an order stand in it."""

    order: tuple[str, ...]
    times: tuple[int, ...]
    answer: int | None
    seconds: tuple[int, ...]
    disposition: int
    ids: tuple[int, ...]
    others: tuple[int, ...]  # which never look like an ID
    sequence: int | None


def _place(order: tuple[str, ...]) -> _Place:
    def where(*names: str) -> tuple[int, ...]:
        return tuple(order.index(name) for name in names if name in order)

    def at(name: str) -> int | None:
        return order.index(name) if name in order else None

    return _Place(
        order,
        times=where("calldate", "start", "end"),
        answer=at("answer"),
        seconds=where("duration", "billsec"),
        disposition=order.index("disposition"),
        ids=where("uniqueid", "linkedid"),
        others=where("userfield", "peeraccount", "accountcode"),
        sequence=at("sequence"),
    )


_PLACES = tuple(map(_place, ORDERS))


def order_of(row: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names of the columns of ``row``, None where it is no row by Asterisk.

    A comma at the end of the row, with nothing behind it, is left out where that fits better.
    """
    best, most = None, 0
    for place in _PLACES:
        left_out = len(row) - len(place.order)
        if left_out not in (0, 1) or (left_out and row[-1].strip()):
            continue
        shows = _shows(place, row)
        score = 10 * shows + _ids_score(place, row) - 3 * left_out
        if shows >= _ENOUGH and score > most:
            best, most = place.order, score
    return best


def fits(order: tuple[str, ...], row: Sequence[str]) -> bool:
    """Whether ``row`` is surely of the same ``order`` as one before it: cheaper than `order_of`."""
    place = _PLACE_OF[order]
    return (
        len(row) == len(order)
        and row[place.disposition] in DISPOSITIONS
        and all(map(_SECONDS.fullmatch, (row[index] for index in place.seconds)))
        and all(UNIQUEID.fullmatch(row[index]) for index in place.ids)
        and not any(UNIQUEID.fullmatch(row[index]) for index in place.others)
    )


_PLACE_OF = {place.order: place for place in _PLACES}


def _shows(place: _Place, row: Sequence[str]) -> int:
    """How many of the columns that tell an order hold what they should; of six."""
    shown = sum(bool(_TIME.fullmatch(row[index].strip())) for index in place.times)
    shown += sum(bool(_SECONDS.fullmatch(row[index].strip())) for index in place.seconds)
    shown += row[place.disposition].strip().upper() in DISPOSITIONS
    if place.answer is None:
        return shown + 2 if shown == 4 else 0  # a table's one time must be there, and all else
    answer = row[place.answer].strip()
    return shown + (answer in NOTHING or bool(_TIME.fullmatch(answer)))


def _ids_score(place: _Place, row: Sequence[str]) -> int:
    score = 0
    for index in place.ids:
        value = row[index].strip()
        score += 2 if UNIQUEID.fullmatch(value) else -bool(value)
    score -= 2 * sum(bool(UNIQUEID.fullmatch(row[index].strip())) for index in place.others)
    if place.sequence is not None:
        score += 1 if row[place.sequence].strip().isdigit() else -1
    return score


def names_of(header: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a header as Asterisk writes them."""
    return tuple(name.strip().lower().replace(" ", "") for name in header)


def is_header(names: Collection[str]) -> bool:
    """Whether these are names of a CDR's columns: all that are needed, and some that are typical.

    ``names`` are as `names_of` returns them.
    """
    known = set(names)
    return known >= NEEDED and bool(known & set(STARTS)) and len(known & TYPICAL) >= 2


def named(order: Sequence[str], row: Sequence[str]) -> Mapping[str, str]:
    """Return the values of ``row`` by the names of its columns."""
    return dict(zip(order, row, strict=False))
