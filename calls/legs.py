"""Calls that are told in parts: the records before and after a transfer are one call. Pure.

Rule: "A call is charged exactly once, however often and in whatever order its records arrive". A
leg only ever adds to its call; a leg that does not touch it in time is not of the same call, and
nothing is kept of it: where legs between them come later, it must be told again.

What is made of legs is the least or the greatest of what they tell, so that neither their order
nor repeating them matters. How far they reach, ringing included, is what ``revised_at`` tells.
"""

from datetime import datetime, timedelta
from operator import attrgetter

from calls.models import Status
from calls.records import CALL_LENGTH_MAX, LAST_WORD, CallRecord, Rejected

# Switches write whole seconds, and a transfer takes a moment.
GAP_MAX = timedelta(seconds=5)

# By start; legs that start together are ordered by nothing that another leg can change.
_order = attrgetter("started_at", "usage_type", "agent", "from_number", "to_number", "remarks")


def joined(known: CallRecord, leg: CallRecord) -> CallRecord:
    """``known`` with what ``leg`` adds to it; the same, whichever of the two comes first.

    The call starts with its first leg and connects when its first leg does. It ends with the last
    one that has talk: what rings in vain afterwards is no part of the talk, nor is a leg that was
    answered for no time at all, but a leg that follows it is. Agent, numbers and remarks are those
    of the first leg; where none was answered, the status is that of the last.

    Raises Rejected where the two are too far apart, or together longer than a call can be.
    """
    first, second = sorted((known, leg), key=_order)
    gap = second.started_at - _reach(first)
    if gap > GAP_MAX:
        raise Rejected(
            "call_id",
            f"is also that of a call that ended {gap} before this one started (or the other way "
            "round); parts of one call follow each other. Give one of them another ID or a prefix; "
            f"where the call is known at a wrong time, import all of its parts as {LAST_WORD}.",
        )
    answered = [part for part in (first, second) if part.status is Status.COMPLETED]
    connected = [part.connected_at for part in answered if part.connected_at is not None]
    talking = [part for part in answered if part.ended_at != part.connected_at]
    ended = [part.ended_at for part in talking or (first, second) if part.ended_at is not None]
    if answered and not talking:
        ended = [min(connected)]
    last = max(answered or (first, second), key=lambda part: (_reach(part), part.status))
    whole = first._replace(
        status=last.status,
        connected_at=min(connected, default=None),
        ended_at=max(ended, default=None),
        revised_at=max(_reach(first), _reach(second)),
        carrier_id=first.carrier_id or second.carrier_id,
        notes=(*first.notes, *second.notes),
    )
    if whole.ended_at and whole.ended_at - whole.started_at > CALL_LENGTH_MAX:
        raise Rejected(
            "ended_at", f"makes its call longer than {CALL_LENGTH_MAX.days} days, with its others."
        )
    return whole


def _reach(part: CallRecord) -> datetime:
    """When the last that is known of it ended: later than its talk, if it rang in vain since."""
    return max(
        part.started_at, part.ended_at or part.started_at, part.revised_at or part.started_at
    )
