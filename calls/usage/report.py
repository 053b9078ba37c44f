"""The use of one account under a period and filters: totals, bars and a page of its log.

Everything comes from one snapshot and the same counts, so it always agrees: the totals are the sums
of the bars, and the bars count the rows of the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page

from billing.ledger.balances import balance_of
from billing.models import Account
from billing.snapshot import snapshot
from calls.usage.bars import Bar, bars_of
from calls.usage.counts import Counted, counted_by_day, past_of
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow
from calls.usage.paging import pages_of_log
from calls.usage.periods import DAY, PERIOD_YEARS_MAX, Days, Period, years_later
from calls.usage.search import Search, count_found, pages_of_search, search_calls


@dataclass(frozen=True, slots=True)
class Totals:
    """The three numbers on top. Available credits are those of now, whatever the period.

    The two others are None where a search found more than can be counted.
    """

    total_calls: int | None
    available_credits: int
    credits_used: int | None


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What an account used. ``counted`` is what the bars are made of, ``rows`` one page of the log.

    ``last_seq`` names the state of the account that was read: rows booked later have a higher one.
    ``with_calls``: the days from the first call that there ever was to the latest.
    ``elsewhere``: those of them that one period can show, if there are no calls in this one.
    """

    totals: Totals
    bars: Sequence[Bar]
    counted: Sequence[Counted]
    rows: Page[LogRow]
    agents: Sequence[str]
    search: Search | None
    with_calls: Days | None
    elsewhere: Days | None
    last_seq: int

    @property
    def has_calls(self) -> bool:
        """Whether there ever was a call."""
        return self.with_calls is not None

    @property
    def is_new_account(self) -> bool:
        """Whether nothing was ever booked, so that no other period or filter would show a row."""
        return self.last_seq == 0


def usage_report(
    *, account: Account, period: Period, filters: UsageFilters, page_number: str = "1"
) -> UsageReport:
    """Read the use of ``account``, at most six queries however many calls there are; eight where a
    search has to look for them within the period.

    ``page_number`` is what the link says; ``rows`` are the nearest page that exists.
    """
    with snapshot():
        balance = balance_of(account)
        past = past_of(account=account)
        search = None
        if filters.call_id:
            search = search_calls(account=account, filters=filters, period=period)
            counted = count_found(found=search.found, zone=period.zone)
            pages = pages_of_search(account=account, search=search)
        else:
            counted = counted_by_day(account=account, period=period, filters=filters)
            pages = pages_of_log(
                account=account, period=period, filters=filters, counted=counted, past=past
            )
        rows = pages.get_page(page_number)
    bars = bars_of(period=period, counted=counted)
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
        search=search,
        with_calls=past.with_calls,
        elsewhere=_elsewhere(past.with_calls, bars, filters),
        last_seq=balance.last_seq,
    )


def _elsewhere(with_calls: Days | None, bars: Sequence[Bar], filters: UsageFilters) -> Days | None:
    """The days ``with_calls``, the latest of them that one period can show, where ``bars`` of all
    rows have no call."""
    if with_calls is None or filters or any(bar.calls for bar in bars):
        return None
    earliest = years_later(with_calls.last_day, -PERIOD_YEARS_MAX) + DAY
    return Days(max(with_calls.first_day, earliest), with_calls.last_day)
