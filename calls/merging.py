"""Which of the records of one call stands in the end. Pure: no database, no clock.

Records of a call can arrive repeatedly and in any order. Merging them one by one decides what is
known of the call afterwards, and which of the records made the difference.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from calls.legs import joined
from calls.records import CallRecord

# What a call becomes when a record of it arrives: (known, arrived) → the new record, or None where
# that changes nothing. Raises Rejected where the two can't be of one call.
Merge: TypeAlias = Callable[[CallRecord, CallRecord], CallRecord | None]


class Numbered(NamedTuple):
    """A record with its position in the batch that it came in."""

    position: int
    record: CallRecord


def winning_record(
    known: CallRecord | None, arrived: Iterable[Numbered], merge: Merge
) -> Numbered | None:
    """Return what stands once all of ``arrived`` are merged; None where ``known`` still does.

    They are merged one by one, because a record without a revision counts as the newest, whereas
    one with an older revision is ignored. Raises Rejected.
    """
    winner = None
    for numbered in arrived:
        if known is None:
            known, winner = numbered.record, numbered
        elif (merged := merge(known, numbered.record)) is not None:
            known, winner = merged, numbered._replace(record=merged)
    return winner


def revised(known: CallRecord, record: CallRecord) -> CallRecord | None:
    """``record`` in place of ``known``; None where it is older or says the same.

    The newest revision is remembered even when a record without one comes after it.
    """
    if known.revised_at is not None:
        if record.revised_at is None:
            record = record._replace(revised_at=known.revised_at)
        elif record.revised_at < known.revised_at:
            return None
    return None if record == known else record


def with_leg(known: CallRecord, leg: CallRecord) -> CallRecord | None:
    """``known`` with ``leg`` added; None where the leg adds nothing. Raises Rejected."""
    whole = joined(known, leg)
    return None if whole == known else whole
