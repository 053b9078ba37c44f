"""The account's first page: how it stands at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.models import Account, LedgerEntry
from billing.prepared import Parameter, Prepared
from calls.usage.bars import Bar, bars_of
from calls.usage.counts import counted_by_day
from calls.usage.entries import Entry
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow, log_rows
from calls.usage.periods import Period, Preset, choose_period
from dashboard.expiring import ExpiringSoon, expiring_soon
from dashboard.frame import Frame

RECENT_ROWS = 5
_RECENT = Prepared(
    lambda: (
        LedgerEntry.objects.filter(account=Parameter("account_id"))
        .order_by("-occurred_at", "-id")
        .values_list("id", flat=True)[:RECENT_ROWS]
    )
)


@dataclass(frozen=True, slots=True)
class Overview:
    """This cycle's use (the last 30 days without a plan), the last seven days, recent rows, and
    what expires soon."""

    period: Period
    calls: int
    credits_used: int
    week: Sequence[Bar]
    recent: Sequence[LogRow]
    expiring: ExpiringSoon | None


def overview(*, account: Account, frame: Frame) -> Overview:
    """Read the first page of ``account``; four queries, five where a recent row is an expiry."""
    zone = account.zone
    today = frame.now.astimezone(zone).date()
    cycle = (frame.cycle.starts_at, frame.cycle.ends_at) if frame.cycle else None

    def chosen(preset: Preset) -> Period:
        return choose_period(
            preset=preset, first="", last="", today=today, zone=zone, cycle=cycle
        ).period

    def bars(period: Period) -> list[Bar]:
        return bars_of(
            period=period,
            counted=counted_by_day(account=account, period=period, filters=UsageFilters()),
        )

    period = chosen(Preset.THIS_CYCLE if cycle else Preset.LAST_30_DAYS)
    so_far = bars(period)
    recent = Entry.read_newest_first(_RECENT(account_id=account.pk))
    return Overview(
        period=period,
        calls=sum(bar.calls for bar in so_far),
        credits_used=sum(bar.credits_used for bar in so_far),
        week=bars(chosen(Preset.LAST_7_DAYS)),
        recent=log_rows(account=account, entries=recent),
        expiring=expiring_soon(left=frame.grants_left, now=frame.now),
    )
