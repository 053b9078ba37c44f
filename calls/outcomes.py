"""What becomes of the records of a batch."""

from enum import StrEnum
from typing import NamedTuple

from calls.records import Note, Rejected


class Result(StrEnum):
    """What became of a record.

    ``linked``: another reporter tells the same call; it counts once, and with the facts of the
    other, or under the ID that the other gave it.
    """

    CREATED = "created"
    UNCHANGED = "unchanged"
    CORRECTED = "corrected"
    LINKED = "linked"
    REJECTED = "rejected"


class Outcome(NamedTuple):
    """What became of a record, and the ``credits`` it used (negative: gave back).

    ``field`` and ``reason`` say why it was rejected; ``notes`` what else its sender should know.
    ``linked_to`` is the ID under which its call is shown, where that is another one.
    """

    result: Result
    credits: int = 0
    field: str = ""
    reason: str = ""
    notes: tuple[Note, ...] = ()
    linked_to: str = ""


UNCHANGED = Outcome(Result.UNCHANGED)


def rejection(rejected: Rejected) -> Outcome:
    """The outcome of a record that breaks a rule."""
    return Outcome(Result.REJECTED, field=rejected.field, reason=rejected.reason)
