"""Every movement of credits in the order of its booking, as programs read it."""

from collections.abc import Sequence
from datetime import datetime

from billing.ledger.balances import CLOCKS_APART_MAX, last_seq_by
from billing.models import Account, LedgerEntry
from calls.usage.entries import Entry
from calls.usage.log import LogRow, log_rows


def movements(
    *,
    account: Account,
    booked_from: datetime | None = None,
    booked_before: datetime | None = None,
    kind: str = "",
    before: int | None = None,
    limit: int,
) -> Sequence[LogRow]:
    """At most ``limit`` rows, the latest booked first, of numbers ``before`` one; three queries.

    ``booked_from`` and ``booked_before`` bound the time of the booking.
    """
    entries = LedgerEntry.objects.filter(account=account)
    if kind:
        entries = entries.filter(kind=kind)
    if before is not None:
        entries = entries.filter(seq__lt=before)
    # Numbers are in the order of the booking, and have an index, which its time has not.
    if booked_from is not None:
        first = last_seq_by(account=account, at=booked_from - CLOCKS_APART_MAX)
        entries = entries.filter(seq__gt=first, posted_at__gte=booked_from)
    if booked_before is not None:
        last = last_seq_by(account=account, at=booked_before + CLOCKS_APART_MAX)
        entries = entries.filter(seq__lte=last, posted_at__lt=booked_before)
    return log_rows(account=account, entries=Entry.read(entries.order_by("-seq")[:limit]))
