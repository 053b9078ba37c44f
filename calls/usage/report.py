"""The use of one account under a period and filters: totals, bars and a page of its log.

Everything comes from one snapshot and the same counts, so it always agrees: the totals are the sums
of the bars, and the bars count the rows of the log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.core.paginator import Page

from billing.ledger.balances import balance_of
from billing.models import Account, Balance
from billing.snapshot import snapshot
from calls.limits import FIRST_DAY
from calls.usage.bars import BASELINE_DAYS, Bar, bars_of
from calls.usage.by_agent import AgentUsage, usage_of_agents
from calls.usage.counts import Counted, counted_by_day, past_of
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow
from calls.usage.newer import NEWER_MAX, booked_since, without
from calls.usage.paging import pages_of_log
from calls.usage.periods import (
    DAY,
    PERIOD_YEARS_MAX,
    Days,
    Granularity,
    Period,
    Preset,
    years_later,
)
from calls.usage.search import (
    Found,
    Search,
    capitals,
    count_found,
    pages_of_search,
    search_calls,
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The three numbers on top. Available credits are those of now, whatever the period.

    The two others are None where a search found more than can be counted.
    """

    total_calls: int | None
    available_credits: int
    credits_used: int | None


@dataclass(frozen=True, slots=True)
class Before:
    """What was used in as many ``days`` right before a period; never nothing at all."""

    days: Days
    calls: int
    credits_used: int


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What an account used. ``counted`` is what the bars are made of, ``rows`` one page of the log.

    ``last_seq`` names the state of the account that is shown: rows booked later have a higher one,
    and ``newer_rows`` of them would be shown, had the newest state been asked for.
    ``before`` are the days before the period that its totals are compared with.
    ``agents`` and ``more_agents`` are those of `Past`.
    ``with_calls``: the days from the first call that there ever was to the latest.
    ``elsewhere``: those of them that one period can show, if there are no calls in this one.
    """

    totals: Totals
    bars: Sequence[Bar]
    counted: Sequence[Counted]
    rows: Page[LogRow]
    agents: Sequence[str]
    more_agents: bool
    search: Search | None
    with_calls: Days | None
    elsewhere: Days | None
    last_seq: int
    newer_rows: int
    before: Before | None
    by_agent: Sequence[AgentUsage]

    @property
    def has_calls(self) -> bool:
        """Whether there ever was a call."""
        return self.with_calls is not None

    @property
    def is_new_account(self) -> bool:
        """Whether nothing was ever booked, so that no other period or filter would show a row."""
        return self.last_seq == 0


def usage_report(
    *,
    account: Account,
    period: Period,
    filters: UsageFilters,
    balance: Balance | None = None,
    page_number: str = "1",
    agents_wanted: bool = False,
) -> UsageReport:
    """Read the use of ``account``, at most seven queries however many calls there are; nine where a
    search has to look for them within the period, one more where an earlier state is shown, and one
    for what each agent used (`by_agent`), where that is wanted.

    ``balance``: the account's, where it was read in the same `snapshot`; that spares one.
    ``page_number`` is what the link says; ``rows`` are the nearest page that exists. The state that
    ``filters`` ask for is the newest, unless it is an earlier one, no more than `NEWER_MAX` entries
    ago.
    """
    with snapshot():
        balance = balance or balance_of(account)
        past = past_of(account=account)
        filters = _with_real_state(filters, balance)
        counted_period = period if filters.import_id is not None else _with_days_before(period)
        newer = booked_since(account=account, period=counted_period, filters=filters)
        search = None
        earlier: Sequence[Counted] = ()
        if filters.call_id:
            search = search_calls(account=account, filters=filters, period=period)
            counted = count_found(found=search.found, zone=period.zone)
            pages = pages_of_search(account=account, search=search, last_seq=filters.until_seq)
        else:
            every: Sequence[Counted] = counted_by_day(
                account=account, period=counted_period, filters=filters
            )
            if filters.import_id is None:  # whose entries are counted up to the state
                every = without(counted=every, newer=newer, period=period)
            earlier = [row for row in every if row.day < period.first_day]
            counted = [row for row in every if row.day >= period.first_day]
            pages = pages_of_log(
                account=account,
                period=period,
                filters=filters,
                counted=counted,
                past=past,
                newer_at=[row.occurred_at for row in newer],
            )
        rows = pages.get_page(page_number)
        by_agent: Sequence[AgentUsage] = ()
        if agents_wanted:
            by_agent = usage_of_agents(
                account=account,
                period=period,
                filters=filters,
                found=None if search is None else search.found,
                newer=newer,
            )
    bars = bars_of(period=period, counted=counted, earlier=earlier)
    is_counted = search is None or not search.too_many
    return UsageReport(
        totals=Totals(
            total_calls=sum(bar.calls for bar in bars) if is_counted else None,
            available_credits=balance.credits,
            credits_used=sum(bar.credits_used for bar in bars) if is_counted else None,
        ),
        bars=bars,
        counted=counted,
        rows=rows,
        agents=past.agents,
        more_agents=past.more_agents,
        search=search,
        with_calls=past.with_calls,
        elsewhere=_elsewhere(past.with_calls, bars, filters),
        last_seq=balance.last_seq if filters.until_seq is None else filters.until_seq,
        newer_rows=sum(_is_shown(row, period, filters) for row in newer),
        before=_before(period, earlier),
        by_agent=by_agent,
    )


def _with_real_state(filters: UsageFilters, balance: Balance) -> UsageFilters:
    """``filters`` that ask for a state which was there, is not the newest, and can be shown."""
    if filters.until_seq is None:
        return filters
    behind = balance.last_seq - filters.until_seq
    return filters if 0 < behind <= NEWER_MAX else replace(filters, until_seq=None)


def _with_days_before(period: Period) -> Period:
    """``period`` with the days that it is compared with: as many, and those of a usual day."""
    days = len(Days(period.first_day, period.last_day))
    if period.granularity is Granularity.DAY:
        days = max(days, BASELINE_DAYS)
    first_day = max(FIRST_DAY, period.first_day - days * DAY)
    return replace(period, preset=Preset.CUSTOM, first_day=min(first_day, period.first_day))


def _before(period: Period, earlier: Iterable[Counted]) -> Before | None:
    length = len(Days(period.first_day, period.last_day))
    first_day = period.first_day - length * DAY
    counted = [row for row in earlier if row.day >= first_day]
    calls = sum(row.calls for row in counted)
    used = sum(row.credits_used for row in counted)
    if not calls and not used:
        return None
    return Before(Days(first_day, period.first_day - DAY), calls, used)


def _is_shown(row: Found, period: Period, filters: UsageFilters) -> bool:
    is_found = capitals(row.call_id).startswith(capitals(filters.call_id))
    return is_found and period.starts_at <= row.occurred_at < period.ends_at


def _elsewhere(with_calls: Days | None, bars: Sequence[Bar], filters: UsageFilters) -> Days | None:
    """The days ``with_calls``, the latest of them that one period can show, where ``bars`` of all
    rows have no call."""
    if with_calls is None or filters or any(bar.calls for bar in bars):
        return None
    earliest = years_later(with_calls.last_day, -PERIOD_YEARS_MAX) + DAY
    return Days(max(with_calls.first_day, earliest), with_calls.last_day)
