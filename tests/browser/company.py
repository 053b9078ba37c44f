"""A company with a few weeks of calls and credits, made through the domain functions only.

Everything follows from the number of a call, so that two runs show the same pages.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.utils.datastructures import CaseInsensitiveMapping

from billing.models import Account, Plan, User
from billing.plans.rating import UsageType
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.exports import asking, making
from calls.inbox import sources
from calls.inbox.draining import drain
from calls.inbox.receiving import receive
from calls.inbox.testing import sample_of
from calls.models import Export, Status
from calls.platforms import Delivery
from calls.records import CallRecord
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from tests.movements import goodwill, post, top_up

AGENTS = ("Reception", "Appointment reminders", "Collections")
TYPES = (UsageType.OUTBOUND, UsageType.OUTBOUND, UsageType.INBOUND, UsageType.TRANSLATION)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
# The busiest hours first: nobody calls at night.
WORKING_HOURS = (10, 11, 14, 15, 16, 12, 9, 17, 13, 18)


def fill(*, account: Account, now: datetime, days: int = 20, calls_a_day: int = 12) -> None:
    """Put ``account`` on Professional, and give it calls, a top-up, an adjustment, a correction."""
    start = now - timedelta(days=days)
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=start)
    post(top_up(account, 500), at=now - timedelta(days=3, hours=2))
    regret = goodwill(account, 40, reason="Goodwill for the outage of last week")
    post(regret, at=now - timedelta(days=2))
    records = list(_records(account, now, days, calls_a_day))
    record_calls(records=records, now=now)
    corrected = records[-3]
    assert corrected.ended_at is not None
    longer = corrected._replace(ended_at=corrected.ended_at + timedelta(seconds=95))
    record_calls(records=[longer], now=now)
    _report(account, now)


def _report(account: Account, now: datetime) -> None:
    """Connect Vapi, which has reported some calls, one of them with a field that can't be read."""
    source = sources.connect(
        account=account, kind="vapi", name="Our Vapi", by=None, now=now - timedelta(days=2)
    )
    for hours in (30, 6, 5, 2):
        ended = now - timedelta(hours=hours)
        sample = sample_of(source, url="", now=ended, call_id=f"vapi-{hours}")
        body = sample.body.replace(b"startedAt", b"beganAt") if hours == 5 else sample.body
        headers = CaseInsensitiveMapping(dict(sample.headers))
        receive(source=source, delivery=Delivery(body, headers, url=""), now=ended)
    drain(clock=lambda: now)


def add_downloads(*, account: Account, by: User, now: datetime) -> None:
    """Give ``by`` three downloads: one that is ready, one that has failed, one that is waiting."""
    today = now.astimezone(account.zone).date()
    period = Period(Preset.CUSTOM, today - timedelta(days=6), today, account.zone)
    for usage_type in ("", "outbound", "inbound"):
        filters = UsageFilters(usage_type=usage_type, agent="Reception" if usage_type else "")
        export = asking.ask(
            account=account, by=by, period=period, filters=filters, last_seq=None, now=now
        )
        if usage_type == "outbound":
            Export.objects.filter(pk=export.pk).update(
                failures=making.FAILURES_MAX, moved_at=LONG_AGO
            )
        if usage_type != "inbound":
            making.work(clock=lambda: now)
            # Told already, so that no page says it.
            asking.note_seen(export=export, now=now)


def _records(account: Account, now: datetime, days: int, calls_a_day: int) -> Iterator[CallRecord]:
    for number in range(days * calls_a_day):
        day, of_day = divmod(number, calls_a_day)
        midnight = (now - timedelta(days=days - 1 - day)).astimezone(account.zone)
        midnight = midnight.replace(hour=0, minute=0, second=0, microsecond=0)
        if midnight.isoweekday() > 5 and of_day % 4:
            continue
        spike = 4 if day == days - 5 else 1
        for again in range(spike):
            started_at = midnight + timedelta(
                hours=WORKING_HOURS[of_day % len(WORKING_HOURS)],
                minutes=(number * 7 + again * 13) % 60,
                seconds=number * 11 % 60,
            )
            if started_at < now:
                yield _record(account, number, again, started_at)


def _record(account: Account, number: int, again: int, started_at: datetime) -> CallRecord:
    answered = number % 7 != 3
    rang = timedelta(seconds=4 + number % 9)
    talked = timedelta(seconds=15 + number * 37 % 290, milliseconds=number * 131 % 1000)
    connected_at = started_at + rang if answered else None
    return CallRecord(
        account_id=account.pk,
        call_id=f"call-{started_at:%Y%m%d}-{number:04d}-{again}-{number * 7919 % 0xFFFF:04x}",
        usage_type=TYPES[number % len(TYPES)],
        agent=AGENTS[number % len(AGENTS)],
        from_number="+912240001122",
        to_number=f"+9198{number * 7919 % 100_000_000:08d}",
        started_at=started_at,
        connected_at=connected_at,
        ended_at=started_at + rang + talked if answered else started_at + rang,
        status=Status.COMPLETED if answered else Status.NO_ANSWER,
        remarks="",
    )
