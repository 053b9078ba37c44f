"""Finding calls by the beginning of an ID: the one filter that daily counts can't answer."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import itemgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum
from django.db.models.functions import Left, Upper

from billing.ledger.postings import calls_of
from billing.models import Account, Kind, LedgerEntry
from calls.limits import FIRST_DAY
from calls.models import Call, CallReport
from calls.usage.counts import Counted
from calls.usage.filters import UsageFilters
from calls.usage.log import LogRow, read_newest_first
from calls.usage.paging import LogPaginator
from calls.usage.periods import DAY, PERIOD_YEARS_MAX, Period, years_later

# Nobody reads more than these.
ROWS_MAX = 1_000
# What a search may cost: rows of any time that match, and if there are more, rows of the period
# that may match.
MATCHES_READ_MAX = 5_000
PERIOD_ROWS_MAX = 50_000


class Found(NamedTuple):
    """An entry that a search found, with what the numbers are made of."""

    occurred_at: datetime
    id: int
    kind: str
    usage_type: str
    agent: str
    call_id: str
    credits: int
    billed_seconds: int
    reference: str
    import_id: int | None

    @property
    def calls(self) -> int:
        """What it adds to the count of calls."""
        return calls_of(Kind(self.kind), self.reference)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search for ``text`` gave: the entries within the period, newest first.

    ``too_many``: more than `ROWS_MAX` match, or it would take too many rows to find
    out; none is shown or counted. ``outside``: nothing lies within the period, but something does
    between these two days.
    """

    text: str
    found: Sequence[Found] = ()
    too_many: bool = False
    outside: tuple[date, date] | None = None

    @property
    def rows_max(self) -> int:
        """How many entries a search may match."""
        return ROWS_MAX


def search_calls(*, account: Account, filters: UsageFilters, period: Period) -> Search:
    """Search for the call ID of ``filters`` within ``period`` and the other filters.

    A call is found by each ID that it has: its own, the carrier's, and those that other sources
    give it. Of bounded cost: two or three queries where few rows match, one or two more where many
    do. They are then looked for among the period's rows, if those are few enough to read.
    """
    entries = LedgerEntry.objects.filter(account=account).exclude(call_id="")
    if filters.until_seq is not None:
        entries = entries.filter(seq__lte=filters.until_seq)
    matching = (
        entries.alias(in_capitals=Upper("call_id"))
        .filter(in_capitals__startswith=capitals(filters.call_id))
        .order_by("in_capitals")  # makes sure of the index, whatever the statistics say
        .values_list(*Found._fields)
    )
    rows = [Found(*row) for row in matching[: MATCHES_READ_MAX + 1]]
    others = _by_other_ids(account, filters.call_id)
    if len(others) > MATCHES_READ_MAX:
        return Search(filters.call_id, too_many=True)
    if others and len(rows) <= MATCHES_READ_MAX:
        also = entries.filter(call_id__in=others).alias(in_capitals=Upper("call_id"))
        also = also.filter(in_capitals__in=[capitals(other) for other in others])
        also = also.order_by("in_capitals")
        rows += [Found(*row) for row in also.values_list(*Found._fields)[: MATCHES_READ_MAX + 1]]
    if len(rows) > MATCHES_READ_MAX:
        return _search_period(account=account, filters=filters, period=period, others=others)
    passing = sorted(
        (
            row
            for row in rows
            if filters.takes_agent(row.agent)
            and all(getattr(row, name) == value for name, value in filters.entry_columns.items())
        ),
        reverse=True,
    )
    inside = [row for row in passing if period.starts_at <= row.occurred_at < period.ends_at]
    if inside or not passing:
        return _search_of(filters.call_id, inside)
    first_day, last_day = (
        row.occurred_at.astimezone(period.zone).date() for row in (passing[-1], passing[0])
    )
    # As far back as one period can reach.
    first_day = max(first_day, FIRST_DAY, years_later(last_day, -PERIOD_YEARS_MAX) + DAY)
    return Search(filters.call_id, outside=(first_day, last_day) if first_day <= last_day else None)


def _by_other_ids(account: Account, text: str) -> list[str]:
    """The IDs of calls that begin otherwise, but have another ID that begins with ``text``: the
    carrier's, or one that another source gives them. At most `MATCHES_READ_MAX`, and one more."""
    carriers = Call.objects.filter(account=account, carrier_id__startswith=text)
    reports = CallReport.objects.filter(account=account)
    found = [
        carriers.exclude(carrier_id="").order_by("carrier_id").values_list("call_id"),
        reports.filter(carrier_id__startswith=text)
        .exclude(carrier_id="")
        .order_by("carrier_id")
        .values_list("linked_call_id"),
        reports.filter(call_id__startswith=text).order_by("call_id").values_list("linked_call_id"),
    ]
    first, *others = (one[: MATCHES_READ_MAX + 1] for one in found)
    call_ids = {call_id for (call_id,) in first.union(*others)}
    begins = capitals(text)
    return sorted(call_id for call_id in call_ids if not capitals(call_id).startswith(begins))


def _search_period(
    *, account: Account, filters: UsageFilters, period: Period, others: Sequence[str]
) -> Search:
    """Search among the rows of ``period``, which the index of the log has in their order."""
    text = filters.call_id
    if _rows_in(account, filters, period) > PERIOD_ROWS_MAX:
        return Search(text, too_many=True)
    # Left, because to a LIKE the database may answer with the index of all call IDs.
    matching = (
        filters.entries(account)
        .filter(occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
        .alias(beginning=Upper(Left("call_id", len(text))))
        .filter(Q(beginning=capitals(text)) | Q(call_id__in=others))
        .order_by("-occurred_at", "-id")
        .values_list(*Found._fields)
    )
    return _search_of(text, [Found(*row) for row in matching[: ROWS_MAX + 1]])


def _rows_in(account: Account, filters: UsageFilters, period: Period) -> int:
    """How many rows of ``period`` pass the ``filters``, the call ID left aside.

    Those of an import are counted, so no more of them than are read.
    """
    if filters.import_id is not None:
        entries = filters.entries(account).filter(
            occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at
        )
        return entries[: PERIOD_ROWS_MAX + 1].count()
    days = filters.daily_usage(account).filter(day__range=(period.first_day, period.last_day))
    return days.aggregate(rows=Sum("entries"))["rows"] or 0


def _search_of(text: str, found: Sequence[Found]) -> Search:
    return Search(text, too_many=True) if len(found) > ROWS_MAX else Search(text, found)


def capitals(text: str) -> str:
    """``text`` as the database compares call IDs, without regard to the case of A to Z."""
    return text.encode().upper().decode()


def count_found(*, found: Iterable[Found], zone: ZoneInfo) -> list[Counted]:
    """Count ``found`` by day, kind and usage type, as the counts by day have it."""
    numbers: dict[tuple[date, str, str], Counter[str]] = defaultdict(Counter)
    for row in found:
        is_usage = Kind(row.kind).is_usage
        numbers[row.occurred_at.astimezone(zone).date(), row.kind, row.usage_type].update(
            entries=1,
            calls=row.calls,
            credits_used=-row.credits if is_usage else 0,
            credits_added=0 if is_usage else row.credits,
            billed_seconds=row.billed_seconds,
        )
    return [
        Counted(day=day, kind=kind, usage_type=usage_type, **sums)
        for (day, kind, usage_type), sums in sorted(numbers.items(), key=itemgetter(0))
    ]


def pages_of_search(*, account: Account, search: Search, last_seq: int | None) -> LogPaginator:
    """Return the pages of what ``search`` found in the state ``last_seq``: a query for each."""

    def read(first: int, end: int) -> list[LogRow]:
        ids = [row.id for row in search.found[first:end]]
        return read_newest_first(account=account, ids=ids, last_seq=last_seq)

    return LogPaginator(count=len(search.found), read=read)
