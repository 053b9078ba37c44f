"""What a record says of a call's times and lengths, put together. Pure: no columns, no texts.

Whether a call was answered
  Words decide: a reason such as *customer did not answer* beats times, which some platforms write
  for such calls too. Only talk beats words: who talked was connected, whatever became of the last
  attempt. Where no word tells, talk time or the time of the answer does.

When
  Times decide where they are told, and lengths are held against them; else lengths say what the
  times leave open. Times that carry no seconds give way to lengths: a call that starts, connects
  and ends at 22:41 with 9 s of talk lasted 9 s.

Lengths are in whole microseconds.
"""

from datetime import timedelta
from typing import Final, NamedTuple

from calls.models import Status
from calls.records import Instant, Rejected

TOLERANCE_US: Final = 1_000_000  # whole seconds that were cut at both ends
SUSPICIOUS_US: Final = 5_000_000
SUSPICIOUS_SHARE: Final = 2  # half of the longer of the two


class Stated(NamedTuple):
    """What a record states, each None where it does not.

    ``total`` is from start to end, ``talk`` from connect to end, ``waiting`` from start to connect.
    """

    started_at: Instant | None = None
    connected_at: Instant | None = None
    ended_at: Instant | None = None
    total: int | None = None
    talk: int | None = None
    waiting: int | None = None


class Assembled(NamedTuple):
    """The times of a call; ``agrees`` as in `calls.sources.Read`.

    ``suspicious`` names the length ("total" or "talk") that is far from the times, else it is "".
    """

    started_at: Instant
    connected_at: Instant | None
    ended_at: Instant | None
    agrees: bool | None = None
    suspicious: str = ""


def decided_status(
    *, word: Status | None, by: str, otherwise: Status | None, stated: Stated
) -> Status | None:
    """Return how the call ended, None where nothing tells it.

    ``word`` is what a known word means; ``by`` and ``otherwise`` are those of a profile's Choice.
    """
    if stated.talk:
        return Status.COMPLETED
    if word is not None:
        return word
    if by == "connected_at" and stated.connected_at is not None:
        return Status.COMPLETED
    if by == "total" and stated.total:
        return Status.COMPLETED
    if by:
        unanswered = otherwise is not None and otherwise is not Status.COMPLETED
        return otherwise if unanswered else Status.NO_ANSWER
    return otherwise


def assemble(*, status: Status, stated: Stated, has_seconds: bool = True) -> Assembled:
    """Return the times of a call of ``status``. Raises Rejected where they can't be told.

    ``has_seconds`` is False where the times are cut to minutes.
    """
    started_at, connected_at, ended_at, total, talk, waiting = stated
    if started_at is None:
        started_at = _beginning(status, stated)
    elif total is None and talk is None and connected_at is not None and ended_at is not None:
        # As nearly always: there is nothing to hold against the times, or to add to them.
        connected = connected_at if status is Status.COMPLETED else None
        return Assembled(started_at, connected, ended_at)
    if not has_seconds and (talk is not None or total is not None):
        return _by_lengths(status, stated, started_at)
    agrees, suspicious = _compared(status, stated)
    if status is not Status.COMPLETED:
        if ended_at is None:
            length = total if total is not None else waiting
            ended_at = None if length is None else later(started_at, length)
        return Assembled(started_at, None, ended_at, agrees, suspicious)
    if connected_at is None:
        if talk is not None and ended_at is not None:
            connected_at = max(started_at, later(ended_at, -talk))
        else:
            connected_at = later(started_at, _ringing(total, talk, waiting))
    if ended_at is None:
        ended_at = _end(started_at, connected_at, total, talk)
    return Assembled(started_at, connected_at, ended_at, agrees, suspicious)


def later(instant: Instant, microseconds: int) -> Instant:
    """``instant`` moved by so many microseconds; what is finer stays. Raises Rejected."""
    if not microseconds:
        return instant
    try:
        return Instant(instant.at + timedelta(microseconds=microseconds), instant.finer)
    except OverflowError:
        raise Rejected("ended_at", "is out of range.") from None


def _beginning(status: Status, stated: Stated) -> Instant:
    _, connected_at, ended_at, total, talk, waiting = stated
    if connected_at is not None:
        return later(connected_at, -(waiting or 0))
    if ended_at is not None:
        if total is not None:
            return later(ended_at, -total)
        if talk is not None:
            return later(ended_at, -talk - (waiting or 0))
        if waiting is not None and status is not Status.COMPLETED:  # it rang to its end
            return later(ended_at, -waiting)
    raise Rejected("started_at", "is missing.")


def _ringing(total: int | None, talk: int | None, waiting: int | None) -> int:
    """How long it rang, by the lengths alone."""
    if waiting is not None:
        return waiting
    if total is not None and talk is not None:
        return max(total - talk, 0)
    return 0


def _end(
    started_at: Instant, connected_at: Instant, total: int | None, talk: int | None
) -> Instant:
    if talk is not None:
        return later(connected_at, talk)
    if total is None:
        raise Rejected("ended_at", "is missing: a completed call has ended.")
    ended_at = later(started_at, total)
    # A total in whole seconds may be cut to before the connection.
    short = ended_at < connected_at <= later(ended_at, TOLERANCE_US)
    return connected_at if short else ended_at


def _by_lengths(status: Status, stated: Stated, started_at: Instant) -> Assembled:
    _, connected_at, _, total, talk, waiting = stated
    if status is not Status.COMPLETED:
        return Assembled(started_at, None, None if total is None else later(started_at, total))
    if connected_at is None or waiting is not None or (total is not None and talk is not None):
        connected_at = later(started_at, _ringing(total, talk, waiting))
    if talk is not None:
        return Assembled(started_at, connected_at, later(connected_at, talk))
    assert total is not None
    ended_at = later(started_at, total)
    return Assembled(started_at, min(connected_at, ended_at), ended_at)


def _compared(status: Status, stated: Stated) -> tuple[bool | None, str]:
    """Whether the lengths agree with the times that are told, and which is far from them."""
    agrees: bool | None = None
    suspicious = ""
    if stated.total is None and stated.talk is None:
        return agrees, suspicious
    for name, length, between in (
        ("total", stated.total, _between(stated.started_at, stated.ended_at)),
        ("talk", stated.talk, _talked(status, stated)),
    ):
        if length is None or between is None:
            continue
        difference = abs(length - between)
        agrees = agrees is not False and difference <= TOLERANCE_US
        longer = max(length, between)
        if difference > SUSPICIOUS_US and difference * SUSPICIOUS_SHARE > longer:
            suspicious = suspicious or name
    return agrees, suspicious


def _talked(status: Status, stated: Stated) -> int | None:
    if status is not Status.COMPLETED:
        return None
    if stated.connected_at is not None:
        return _between(stated.connected_at, stated.ended_at)
    whole = _between(stated.started_at, stated.ended_at)
    if whole is None or stated.talk is None:
        return None
    if stated.waiting is not None:
        return whole - stated.waiting
    # It may have rung, but not talked for longer than the call.
    return whole if stated.talk > whole else None


def _between(first: Instant | None, last: Instant | None) -> int | None:
    if first is None or last is None:
        return None
    return (last.at - first.at) // timedelta(microseconds=1)
