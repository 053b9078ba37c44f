"""Which of the records of one call stands in the end. Pure: no database, no clock.

Records of a call can arrive repeatedly and in any order. Merging them one by one decides what is
known of the call afterwards, and which of the records made the difference.

Rule: "A record that moves a known call ID by more than 24 hours […] is not a correction but another
call with a reused ID". Such a record is rejected by itself; the call and its other records stand.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from calls.legs import joined
from calls.records import LAST_WORD, CallRecord, Rejected, without_numbers

# What a call becomes when a record of it arrives: (known, arrived) → the new record, or None where
# that changes nothing. Raises Rejected where the two can't be of one call.
Merge: TypeAlias = Callable[[CallRecord, CallRecord], CallRecord | None]


MOVE_MAX = timedelta(hours=24)


class Numbered(NamedTuple):
    """A record with its position in the batch that it came in."""

    position: int
    record: CallRecord


class Merged(NamedTuple):
    """What the records of one call come to.

    ``winner`` stands in the end; it is None where what was known stands. ``rejected`` are the
    records that are not of this call, by their positions.
    """

    winner: Numbered | None
    rejected: dict[int, Rejected]


def merged(
    known: CallRecord | None, arrived: Iterable[Numbered], merge: Merge, *, revise: bool = False
) -> Merged:
    """Merge all of ``arrived`` into ``known``.

    They are merged one by one, because a record without a revision counts as the newest, whereas
    one with an older revision is ignored. With ``revise`` they are the last word: they replace what
    is known, wherever it is in time and whatever revision it has.

    Where the numbers of what is known were deleted, no record brings them back, or is a change for
    the sake of them.
    """
    winner = None
    rejected = {}
    standing = None if revise else known
    for numbered in arrived:
        if standing is None:
            standing, winner = numbered.record, numbered
            continue
        try:
            changed = merge(standing, numbered.record)
        except Rejected as error:
            rejected[numbered.position] = error
            continue
        if changed is not None:
            standing, winner = changed, numbered._replace(record=changed)
    if revise and known is not None and winner is not None:
        record = _without_forgetting(winner.record, known)
        winner = None if _says_the_same(record, known) else winner._replace(record=record)
    return Merged(winner, rejected)


def revised(known: CallRecord, record: CallRecord) -> CallRecord | None:
    """``record`` in place of ``known``; None where it is older or says the same.

    The newest revision is remembered even when a record without one comes after it. Raises Rejected
    where ``record`` is of another call.
    """
    if known.revised_at is not None and record.revised_at is not None:
        if record.revised_at < known.revised_at:
            return None
        is_newer = record.revised_at > known.revised_at
    else:
        is_newer = record.revised_at is not None
    if not is_newer:
        _check_is_same_call(known, record)
    record = _without_forgetting(record, known)
    return None if _says_the_same(record, known) else record


def _without_forgetting(record: CallRecord, known: CallRecord) -> CallRecord:
    if record.revised_at is None and known.revised_at is not None:
        record = record._replace(revised_at=known.revised_at)
    if known.carrier_id and not record.carrier_id:
        record = record._replace(carrier_id=known.carrier_id)
    return without_numbers(record) if known.numbers_deleted else record


def _says_the_same(record: CallRecord, known: CallRecord) -> bool:
    """Whether the two say the same; files of two notations may."""
    return record == known or record._replace(reporter=known.reporter) == known


def check_reports_same_call(known: CallRecord, record: CallRecord) -> None:
    """Raise Rejected where ``record`` is of another call than that which another reporter ``known``
    by the same ID: as of one reporter, unless it has the later revision."""
    is_newer = record.revised_at is not None and (
        known.revised_at is None or record.revised_at > known.revised_at
    )
    if not is_newer:
        _check_is_same_call(known, record)


def _check_is_same_call(known: CallRecord, record: CallRecord) -> None:
    if abs(record.started_at - known.started_at) > MOVE_MAX:
        how = "more than 24 hours away from this one"
    elif _has_other_party(known, record) and not _overlap(known, record):
        how = "with another number, at a time before or after this one"
        if known.numbers_deleted:
            how = "at a time before or after this one, and its numbers were deleted"
    else:
        return
    raise Rejected(
        "call_id",
        f"is also that of a call at {known.started_at:%Y-%m-%d %H:%M:%S} UTC, {how}, so it is "
        "taken for a reused ID. Give this call another ID or a prefix. If it is the same call at "
        f"another time, give its record a later revised_at, or import the file as {LAST_WORD}.",
    )


def _has_other_party(known: CallRecord, record: CallRecord) -> bool:
    """Whether the two tell different numbers; a record may tell none.

    Numbers that were deleted can't be compared. They are taken to differ: a call that is rejected
    can be sent again, one that replaced another would be lost.
    """
    if known.numbers_deleted and not record.numbers_deleted:
        return record.other_party != ""
    told = {known.other_party, record.other_party} - {""}
    return len(told) > 1


def _overlap(one: CallRecord, other: CallRecord) -> bool:
    """Whether both were under way at some time; a call that begins where the other ends is not."""
    first, second = sorted((one, other), key=attrgetter("started_at"))
    if first.started_at == second.started_at:
        return True
    return first.ended_at is not None and second.started_at < first.ended_at


def with_leg(known: CallRecord, leg: CallRecord) -> CallRecord | None:
    """``known`` with ``leg`` added; None where the leg adds nothing. Raises Rejected."""
    whole = joined(known, without_numbers(leg) if known.numbers_deleted else leg)
    return None if _says_the_same(whole, known) else whole
