"""A page shows one state of its account while its reader turns pages, whatever is booked meanwhile.

The counts by day know only the newest state. What was booked after the state that is shown is
bounded, so it is read and taken off them.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from billing.models import Account
from calls.usage.counts import Counted
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period
from calls.usage.search import Found, count_found

# An older state is not shown any more: too much would have to be read.
NEWER_MAX = 10_000


def booked_since(*, account: Account, period: Period, filters: UsageFilters) -> list[Found]:
    """Read what was booked in ``period`` after the state that ``filters`` ask for; one query.

    The filters hold, but for the call ID. Nothing, and no query, where they ask for no state.
    """
    if filters.until_seq is None:
        return []
    newer = filters.newer_entries(account).filter(
        occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at
    )
    return [Found(*row) for row in newer.order_by().values_list(*Found._fields)]


def without(
    *, counted: Sequence[Counted], newer: Iterable[Found], period: Period
) -> Sequence[Counted]:
    """Return what was ``counted`` in ``period`` before those that are ``newer``."""
    taken: dict[tuple[date, str, str], Counted] = {
        (row.day, row.kind, row.usage_type): row
        for row in count_found(found=newer, zone=period.zone)
    }
    if not taken:
        return counted
    left = []
    for row in counted:
        if off := taken.get((row.day, row.kind, row.usage_type)):
            row = row._replace(
                entries=row.entries - off.entries,
                calls=row.calls - off.calls,
                credits_used=row.credits_used - off.credits_used,
                credits_added=row.credits_added - off.credits_added,
                billed_seconds=row.billed_seconds - off.billed_seconds,
            )
        if row.entries:
            left.append(row)
    return left
