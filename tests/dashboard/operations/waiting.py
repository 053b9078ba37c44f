"""An installation in which one thing of every kind waits for an operator."""

from datetime import datetime, timedelta

from billing.models import Account, CreditGrant, Notice, NoticeKind, Payment, Plan, Role, User
from billing.notices import warnings
from billing.payments import settling
from billing.plans import requests
from billing.plans.subscriptions import subscribe
from calls.exports import asking, making
from calls.imports import uploads
from calls.inbox import sources
from calls.models import CallSource, Export, FileImport, ImportState
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from tests.billing.payments.purchases import begin, checkout_facts, dispute_facts
from tests.factories import AccountFactory, MembershipFactory, UserFactory
from tests.movements import call, goodwill, post

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def fill(*, now: datetime) -> Account:
    """Let one thing of every kind wait; returns the account that most of it is about."""
    acme = on(Plan.objects.get(name="Professional"), "Acme Voice", "acme", now)
    owner = UserFactory(name="asha")
    MembershipFactory(user=owner, account=acme, role=Role.SUPERADMIN)
    _accounts(now)
    ask(account=acme, by=owner, now=now)
    review(acme, now)
    dispute(acme, now, due_by=now + 3 * DAY)
    failed_import(acme, now)
    silent_source(acme, now)
    for make in (late_notice, late_export):
        make(acme, owner, now)
    return acme


def on(plan: Plan, name: str, slug: str, now: datetime) -> Account:
    """A new account on ``plan`` since yesterday, which has looked at its warnings."""
    account: Account = AccountFactory(name=name, slug=slug, created_at=now - DAY)
    subscribe(account=account, plan=plan, at=now - DAY)
    warnings.watch(account=account, now=now)
    return account


def _accounts(now: datetime) -> None:
    """One in debt, one used up, one low, each on Base with its 100 credits."""
    for name, used in (("Indebted", 120), ("Empty", 100), ("Nearly empty", 90)):
        account = on(Plan.objects.get(name="Base"), name, name.lower().replace(" ", "-"), now)
        seconds = used // 2 * 60
        started_at = now - HOUR * 3
        record = call(account, "long", 1, started_at)._replace(
            ended_at=started_at + timedelta(seconds=seconds)
        )
        post(record, at=now - HOUR)
        warnings.watch(account=account, now=now)


def ask(*, account: Account, by: User, now: datetime) -> None:
    """Ask for Base an hour ago; the operators' mail about it has not gone."""
    plan = Plan.objects.get(name="Base")
    asked_at = now - HOUR
    seen = requests.change_to(account=account, plan=plan, now=asked_at).seen
    requests.ask(account=account, plan=plan, by=by, seen=seen, now=asked_at)


def review(account: Account, now: datetime) -> Payment:
    """A payment of something else than what was ordered."""
    begun = begin(account, at=now - HOUR)
    facts = checkout_facts(begun, amount_minor=100)
    return settling.settle(payment_pk=begun.pk, facts=facts, now=now)


def dispute(account: Account, now: datetime, *, due_by: datetime | None) -> Payment:
    """A payment that a bank takes back."""
    begun = begin(account, at=now - HOUR)
    paid = settling.settle(payment_pk=begun.pk, facts=checkout_facts(begun), now=now)
    total = paid.top_up.total_minor
    facts = dispute_facts(paid, total, dispute_id=f"dispute_{paid.pk}", due_by=due_by)
    return settling.settle(payment_pk=paid.pk, facts=facts, now=now)


def failed_import(account: Account, now: datetime) -> FileImport:
    """An import that a fault of ours has ended."""
    found = uploads.take_whole(
        account=account, by=None, file_name="calls.csv", chunks=[b"call_id\n"], now=now
    )
    FileImport.objects.filter(pk=found.pk).update(state=ImportState.FAILED, said="A fault of ours.")
    return found


def silent_source(account: Account, now: datetime) -> CallSource:
    """A source of which nothing was heard for nine hours."""
    source = sources.connect(account=account, kind="vapi", name="Our Vapi", by=None, now=now - DAY)
    CallSource.objects.filter(pk=source.pk).update(last_event_at=now - 9 * HOUR)
    return source


def late_notice(
    account: Account, person: User, now: datetime, *, reference: str = "late"
) -> Notice:
    """A warning that should have gone an hour ago."""
    post(goodwill(account, 5, expires_at=now + DAY), at=now)
    return Notice.objects.create(
        account=account,
        user=person,
        address=person.email,
        kind=NoticeKind.EXPIRING,
        reference=reference,
        grant=CreditGrant.objects.filter(account=account).latest("pk"),
        days_before=1,
        context={},
        created_at=now - HOUR,
        due_at=now - HOUR,
    )


def late_export(account: Account, person: User, now: datetime) -> Export:
    """A file that was ready an hour ago, of which nobody was told."""
    today = now.astimezone(account.zone).date()
    export = asking.ask(
        account=account,
        by=person,
        period=Period(Preset.TODAY, today, today, account.zone),
        filters=UsageFilters(),
        last_seq=None,
        now=now - HOUR,
    )
    making.work(clock=lambda: now - HOUR)
    return export
