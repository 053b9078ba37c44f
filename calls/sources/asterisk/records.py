"""What one CDR by Asterisk says: its instants, whether it was answered, whether it is a call.

Times decide where they stand in the file to the second; ``duration`` and ``billsec`` must agree
with them to a second, as Asterisk truncates (or rounds up, with ``initiatedseconds``). Where a file
has no times but the first (FreePBX), or a spreadsheet cut them to the minute, duration and billsec
decide; where those have decimals, they are finer than the times and decide the end too.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.models import Status
from calls.notations.clock import meanings, read_time
from calls.notations.times import time_reader
from calls.records import Instant, Rejected, not_one_of
from calls.sources.asterisk.columns import NOTHING

STATUSES = {
    "ANSWERED": Status.COMPLETED,
    "NO ANSWER": Status.NO_ANSWER,
    "BUSY": Status.BUSY,
    "FAILED": Status.FAILED,
    "CONGESTION": Status.FAILED,
    "CANCEL": Status.NO_ANSWER,  # the caller hung up before anybody answered
}

# disposition(int64) in a mapping of cdr_custom: include/asterisk/cdr.h. 1 is “nothing yet”.
NUMBERS = {
    "0": Status.NO_ANSWER,
    "1": Status.NO_ANSWER,
    "2": Status.FAILED,
    "4": Status.BUSY,
    "8": Status.COMPLETED,
    "16": Status.FAILED,
}

TOLERANCE = timedelta(seconds=1)

# How a spreadsheet may have rewritten the dates, beside the order in which Asterisk writes them.
YEAR_FIRST, DAY_FIRST, MONTH_FIRST = "ymd", "dmy", "mdy"

EPOCH = re.compile(r"(\d{9,11})(?:\.(\d{1,9}))?", re.ASCII)

# A number that only extensions of the same switch have; feature codes and names of the dialplan.
SHORT = re.compile(r"\d{2,6}", re.ASCII)
OUTSIDE = re.compile(r"\+?\d{7,}", re.ASCII)
SPECIAL = re.compile(r"[*#][*#\d]*|[sihtoT]", re.ASCII)


class Leg(NamedTuple):
    """The instants of one CDR: a call, or the part of it before or after a transfer.

    ``agrees`` tells whether a number of seconds stood beside the times and agreed with them.
    """

    started_at: Instant
    connected_at: Instant | None
    ended_at: Instant | None
    status: Status
    agrees: bool | None


def value(cdr: Mapping[str, str], *names: str) -> str:
    """Return the first of the values of ``names`` that is not one of the words for nothing."""
    for name in names:
        text = cdr.get(name, "").strip()
        if text not in NOTHING:
            return text
    return ""


def leg_of(cdr: Mapping[str, str], *, zone: ZoneInfo, dates: str = YEAR_FIRST) -> Leg:
    """Return the instants that ``cdr`` tells, by the names of Asterisk. Raises Rejected.

    Times without an offset are on the wall clock of ``zone``; ``dates`` is the order in which days,
    months and years stand in them.
    """
    status = _status(cdr.get("disposition", ""))
    duration, billsec = (_seconds(name, cdr.get(name)) for name in ("duration", "billsec"))
    start = "start" if "start" in cdr else "calldate"
    if not value(cdr, start):
        raise Rejected(start, "is missing.")
    if "end" not in cdr or cdr[start].count(":") == 1:  # without seconds
        return _from_seconds(cdr, start, status, duration, billsec, zone=zone, dates=dates)
    if not value(cdr, "end"):
        raise Rejected("end", "is missing.")
    answer = value(cdr, "answer")
    if status is Status.COMPLETED and not answer:
        raise Rejected("answer", "is missing, although the call was ANSWERED.")
    if status is not Status.COMPLETED and answer:
        if billsec:
            status = Status.COMPLETED
        else:
            answer = ""
    error: Rejected | None = None
    # Where clocks were set back a time means one of two instants: the durations tell which.
    for started_at, connected_at, ended_at in product(
        _instants(start, value(cdr, start), zone, dates),
        _instants("answer", answer, zone, dates),
        _instants("end", value(cdr, "end"), zone, dates),
    ):
        assert started_at is not None
        assert ended_at is not None
        try:
            _check("duration", duration, start, started_at, ended_at)
            _check("billsec", billsec, "answer", connected_at, ended_at)
        except Rejected as rejected:
            error = error or rejected
        else:
            return _finer(Leg(started_at, connected_at, ended_at, status, True), duration, billsec)
    assert error is not None
    raise error


def _from_seconds(
    cdr: Mapping[str, str],
    start: str,
    status: Status,
    duration: timedelta | None,
    billsec: timedelta | None,
    *,
    zone: ZoneInfo,
    dates: str,
) -> Leg:
    """Return a leg of which only the start is known, and how long it took."""
    if duration is None:
        raise Rejected("duration", "is missing.")
    if billsec is None:
        raise Rejected("billsec", "is missing.")
    if billsec - duration > TOLERANCE:
        raise Rejected("billsec", f"is longer than the duration ({_said(duration)} s).")
    started_at = _instants(start, value(cdr, start), zone, dates)[0]
    assert started_at is not None
    ended_at = Instant(started_at.at + duration)
    if billsec:
        status = Status.COMPLETED
    connected_at = None
    if status is Status.COMPLETED:
        connected_at = Instant(max(started_at.at, ended_at.at - billsec))
    return Leg(started_at, connected_at, ended_at, status, None)


def _finer(leg: Leg, duration: timedelta | None, billsec: timedelta | None) -> Leg:
    """Return ``leg`` by its seconds, where only those have decimals."""
    instants = (leg.started_at, leg.connected_at, leg.ended_at)
    told = [length.microseconds for length in (duration, billsec) if length is not None]
    if duration is None or not any(told):
        return leg
    if any(one and (one.at.microsecond or one.finer) for one in instants):
        return leg
    ended_at = leg.started_at.at + duration
    connected_at = leg.connected_at
    if connected_at is not None and billsec is not None:
        connected_at = Instant(max(leg.started_at.at, ended_at - billsec))
    return leg._replace(connected_at=connected_at, ended_at=Instant(ended_at))


def _status(text: str) -> Status:
    word = text.strip()
    status = STATUSES.get(word.upper()) or NUMBERS.get(word)
    if status is None:
        raise Rejected("disposition", not_one_of(word, STATUSES))
    return status


def _seconds(field: str, text: str | None) -> timedelta | None:
    """Return a number of seconds to the microsecond, rounded up; None where it is not told."""
    if text is None or text in ("NULL", r"\N"):
        return None
    if text.isdigit() and text.isascii() and len(text) < 10:
        return timedelta(seconds=int(text))
    found = re.fullmatch(r"(-?\d{1,9})(?:\.(\d{1,9}))?", text.strip(), re.ASCII)
    if not found:
        raise Rejected(field, f"is “{storable(text[:40])}”, not a number of seconds.")
    if text.strip().startswith("-"):
        raise Rejected(field, f"is negative ({text}).")
    return timedelta(seconds=int(found[1]), microseconds=_microseconds(found[2]))


def _microseconds(decimals: str | None) -> int:
    digits = (decimals or "").ljust(9, "0")
    return -(-int(digits) // 1_000)


def _instants(field: str, text: str, zone: ZoneInfo, dates: str) -> Sequence[Instant | None]:
    if not text:
        return [None]
    instant = read_instant(field, text, zone, dates)
    return [None] if instant is None else meanings(field, instant, zone)


def read_instant(field: str, text: str, zone: ZoneInfo, dates: str) -> Instant | None:
    """Read a time as Asterisk or a spreadsheet writes it; an epoch second is aware.

    Raises Rejected, also where the day and the month are not in the order of ``dates``.
    """
    if epoch := EPOCH.fullmatch(text):
        at = datetime.fromtimestamp(int(epoch[1]), UTC)
        return Instant(at + timedelta(microseconds=int((epoch[2] or "").ljust(9, "0")) // 1_000))
    if dates == YEAR_FIRST or text[:4].isdigit():
        return read_time(field, text)
    return time_reader(dates)(field, text, zone)


def _check(
    field: str, told: timedelta | None, since: str, begun: Instant | None, ended: Instant
) -> None:
    """Hold the number of seconds told against the times that it should be between."""
    measured = timedelta() if begun is None else ended.at - begun.at
    if measured < timedelta():
        raise Rejected("end", f"is before the {since}.")
    if told is not None and abs(measured - told) > TOLERANCE:
        raise Rejected(
            field, f"is {_said(told)} s, but from {since} to end are {_said(measured)} s."
        )


def _said(length: timedelta) -> str:
    return f"{length.total_seconds():.3f}".rstrip("0").rstrip(".")


def looks_internal(cdr: Mapping[str, str]) -> bool:
    """Whether nobody outside took part: a feature code, or both ends are extensions.

    An outside number has at least seven digits. Where a call from outside went to ``s``, as into a
    menu, it is a call.
    """
    source, target = (value(cdr, name) for name in ("src", "dst"))
    if OUTSIDE.fullmatch(source) or OUTSIDE.fullmatch(target):
        return False
    if SPECIAL.fullmatch(target):
        return bool(SHORT.fullmatch(source))
    return bool(SHORT.fullmatch(source) and SHORT.fullmatch(target))
