"""What pages show of sources and of what they send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from billing.bulk import as_array
from billing.models import Account
from calls.models import CallSource, EventState, InboxEvent, OpenEvent, Via

DAYS_SHOWN: Final = 14
FAILURES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class DayOfEvents:
    """How many events of a source arrived on a day, and what became of them."""

    day: date
    recorded: int = 0
    irrelevant: int = 0
    failed: int = 0
    waiting: int = 0

    @property
    def received(self) -> int:
        """All of them."""
        return self.recorded + self.irrelevant + self.failed + self.waiting

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Those that arrived, were recorded, were about no call, failed."""
        return self.received, self.recorded, self.irrelevant, self.failed


def sources_of(account: Account) -> QuerySet[CallSource]:
    """The sources of ``account`` in their order, each with ``heard_at`` and ``failures``."""
    heard = (
        InboxEvent.objects.filter(source=OuterRef("pk"))
        .exclude(via=Via.TEST)
        .order_by("-received_at")
        .values("received_at")[:1]
    )
    failed = (
        OpenEvent.objects.filter(source=OuterRef("pk"), state=EventState.FAILED)
        .exclude(event__via=Via.TEST)
        .order_by()
        .values("source")
        .annotate(count=Count("pk"))
        .values("count")
    )
    return (
        CallSource.objects.filter(account=account, deleted_at=None)
        .select_related("created_by")
        .annotate(heard_at=Subquery(heard), failures=Subquery(failed))
        .order_by("position")
    )


def heard_at(source: CallSource) -> datetime | None:
    """When the source was last heard of, by what it sent or by a call that its list had."""
    latest = (
        InboxEvent.objects.filter(source=source)
        .exclude(via=Via.TEST)
        .order_by("-received_at")
        .values_list("received_at", flat=True)
        .first()
    )
    known = [at for at in (latest, source.last_event_at) if at is not None]
    return max(known, default=None)


def last_test(source: CallSource) -> InboxEvent | None:
    """The last test event, with how it stands."""
    tests = InboxEvent.objects.filter(source=source, via=Via.TEST).select_related("open")
    return tests.order_by("-id").first()


def failures_of(source: CallSource) -> tuple[Sequence[InboxEvent], int]:
    """The latest events that failed, each with how it stands, and how many there are."""
    failed = OpenEvent.objects.filter(source=source, state=EventState.FAILED)
    latest = failed.order_by("-pk").values("pk")[:FAILURES_SHOWN]
    shown = InboxEvent.objects.filter(pk__in=latest).select_related("open").order_by("-pk")
    return list(shown), failed.count()


def waiting_of(source: CallSource) -> int:
    """How many events wait for a worker, or are held back."""
    return OpenEvent.objects.filter(
        Q(state=EventState.WAITING) | Q(state=EventState.HELD), source=source
    ).count()


def events_by_day(source: CallSource, *, account: Account, now: datetime) -> Sequence[DayOfEvents]:
    """Count the events by day, on the account's clock: the last days that had any, latest first."""
    last = now.astimezone(account.zone).date()
    days = [last - timedelta(days=back) for back in reversed(range(DAYS_SHOWN))]
    midnights = (datetime.combine(day, time.min, account.zone) for day in days)
    starts = [midnight.astimezone(UTC) for midnight in midnights]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT width_bucket(event.received_at, %s::timestamptz[]),
                   coalesce(open.state, %s) AS state, count(*)
              FROM {InboxEvent._meta.db_table} event
              LEFT JOIN {OpenEvent._meta.db_table} open ON open.event_id = event.id
             WHERE event.source_id = %s AND event.received_at >= %s AND event.via <> %s
             GROUP BY 1, 2
            """,
            [as_array(starts), EventState.RECORDED, source.pk, starts[0], Via.TEST],
        )
        found = cursor.fetchall()
    counts: dict[int, dict[str, int]] = {}
    for bucket, state, count in found:
        state = EventState.WAITING.value if state == EventState.HELD else state
        of_day = counts.setdefault(bucket, {})
        of_day[state] = of_day.get(state, 0) + count
    return [
        DayOfEvents(days[number - 1], **counts[number]) for number in sorted(counts, reverse=True)
    ]
