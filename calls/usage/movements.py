"""Every movement of credits, for programs: in the order of booking, or the log of some days."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.models import Account, LedgerEntry
from calls.usage.entries import Entry
from calls.usage.log import LogRow, log_rows
from calls.usage.periods import Period
from calls.usage.places import Place


@dataclass(frozen=True, slots=True)
class MovementsPart:
    """Part of a list of movements. ``after``: where the next part begins; None at the end."""

    rows: Sequence[LogRow]
    after: list[int] | None


def movements(
    *,
    account: Account,
    period: Period | None = None,
    kind: str = "",
    after: Sequence[int] | None = None,
    limit: int,
) -> MovementsPart:
    """At most ``limit`` movements from the position ``after`` on; at most two queries.

    Without ``period`` the latest booked first, and a position is a number (`seq`). With it those
    of the log of these days, the newest first, and a position is a place in the log.
    """
    entries = LedgerEntry.objects.filter(account=account)
    if kind:
        entries = entries.filter(kind=kind)
    if period is None:
        if after is not None:
            entries = entries.filter(seq__lt=after[0])
        entries = entries.order_by("-seq")
    else:
        entries = entries.filter(occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
        if after is not None:
            entries = entries.filter(Place.of_numbers(after).is_before)
        entries = entries.order_by("-occurred_at", "-id")
    found = Entry.read(entries[: limit + 1])
    shown, last = found[:limit], None
    if len(found) > limit:
        entry = found[limit - 1]
        last = [entry.seq] if period is None else Place(entry.occurred_at, entry.id).as_numbers
    return MovementsPart(log_rows(account=account, entries=shown), last)
