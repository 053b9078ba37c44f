"""What closing an account ends, and what it leaves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from billing.accounts.api_keys import create_key, find_key
from billing.accounts.closing import ClosingError, reopen_account
from billing.ledger.balances import balance_of, grants_left
from billing.models import Account, Kind, LedgerEntry, Notice, Payment, Plan, PlanRequestState, User
from billing.notices import warnings
from billing.notices.low_credits import low_credits_of
from billing.payments import buying, pricing, settling
from billing.payments.asking import payments_to_ask_about
from billing.plans import requests
from billing.plans.closed import AccountClosedError
from billing.plans.granting import current_cycle, next_credits
from billing.plans.rating import UsageType
from billing.plans.subscriptions import SubscriptionError, due_for_renewal, renew, subscribe
from billing.plans.tariffs import TariffBook
from calls.charging import record_calls, try_calls
from calls.closing import close_account
from calls.inbox import sources
from calls.inbox.sources import connect
from calls.models import Call, CallSource, Status
from calls.outcomes import Outcome, Result
from calls.records import validate
from dashboard.sandbox import gateway
from tests.calls.inbox.sending import drain_all, report, send_report

pytestmark = pytest.mark.django_db

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
CLOSED = datetime(2026, 3, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def closed(account: Account, by: User, at: datetime = CLOSED) -> Account:
    return close_account(account=account, by=by, reason="They left", now=at)


def record(account: Account, call_id: str, started_at: datetime, seconds: int = 65) -> Any:
    return validate(
        account_id=account.pk,
        call_id=call_id,
        usage_type=UsageType.OUTBOUND,
        status=Status.COMPLETED,
        started_at=started_at,
        connected_at=started_at,
        ended_at=started_at + timedelta(seconds=seconds),
        now=started_at + DAY,
    )


def recorded(account: Account, call_id: str, started_at: datetime, **more: Any) -> Outcome:
    now = max(CLOSED, started_at) + HOUR
    one = [record(account, call_id, started_at, **more)]
    tried = try_calls(records=one, now=now)
    assert record_calls(records=one, now=now) == tried
    return tried[0]


def plan_named(name: str) -> Plan:
    return Plan.objects.get(name=name)


# ── Cycles ────────────────────────────────────────────────────────────────────────────────────
def test_no_cycle_begins_any_more_and_what_is_left_expires(
    professional: Account, operator: User
) -> None:
    closed(professional, operator)
    assert due_for_renewal(now=CLOSED + 100 * DAY) == []
    renew(account=professional, now=CLOSED + 100 * DAY)
    granted = LedgerEntry.objects.filter(account=professional, kind=Kind.PLAN_CREDITS)
    assert granted.count() == 1
    assert balance_of(professional).credits == 0
    book = TariffBook([professional.pk])
    assert next_credits(book=book, account_id=professional.pk, now=CLOSED) is None
    before = current_cycle(account=professional, at=CLOSED - HOUR)
    assert before is not None
    assert before.ends_at == CLOSED
    assert current_cycle(account=professional, at=CLOSED) is None


def test_cycles_that_began_before_are_granted_first(professional: Account, operator: User) -> None:
    closed(professional, operator, at=SINCE + 40 * DAY)
    kinds = LedgerEntry.objects.filter(account=professional).order_by("seq")
    assert list(kinds.values_list("kind", flat=True)) == [
        Kind.PLAN_CREDITS,
        Kind.EXPIRY,
        Kind.PLAN_CREDITS,
    ]
    assert balance_of(professional).credits == 1_500


def test_a_planned_change_is_cancelled(professional: Account, operator: User) -> None:
    subscribe(account=professional, plan=plan_named("Base"), at=CLOSED + DAY, now=CLOSED - DAY)
    closed(professional, operator)
    assert [one.plan.name for one in professional.subscriptions.all()] == ["Professional"]
    renew(account=professional, now=CLOSED + 2 * DAY)
    assert balance_of(professional).credits == 1_500


def test_a_request_for_a_plan_is_withdrawn(
    professional: Account, owner: User, operator: User
) -> None:
    base = plan_named("Base")
    seen = requests.change_to(account=professional, plan=base, now=CLOSED - HOUR).seen
    asked = requests.ask(account=professional, plan=base, by=owner, seen=seen, now=CLOSED - HOUR)
    closed(professional, operator)
    asked.refresh_from_db()
    assert asked.state == PlanRequestState.WITHDRAWN
    with pytest.raises(AccountClosedError):
        requests.ask(account=professional, plan=base, by=owner, seen=seen, now=CLOSED + HOUR)


def test_a_closed_account_is_put_on_no_plan(professional: Account, operator: User) -> None:
    closed(professional, operator)
    with pytest.raises(AccountClosedError):
        subscribe(account=professional, plan=plan_named("Base"), at=CLOSED + HOUR)


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────
def test_calls_that_started_before_are_charged_when_they_come(
    professional: Account, operator: User
) -> None:
    closed(professional, operator)
    late = recorded(professional, "late", CLOSED - timedelta(microseconds=1))
    assert (late.result, late.credits) == (Result.CREATED, 3)
    assert balance_of(professional).credits == 1_497


def test_calls_that_start_later_are_not_taken(professional: Account, operator: User) -> None:
    closed(professional, operator)
    for call_id, started_at in (("at", CLOSED), ("after", CLOSED + DAY)):
        outcome = recorded(professional, call_id, started_at)
        assert (outcome.result, outcome.field) == (Result.REJECTED, "account")
        assert outcome.reason.startswith("was closed on 20 Mar 2026, 12:00 UTC, before the call")
    assert not Call.objects.exists()


def test_a_correction_of_an_earlier_call_is_posted(professional: Account, operator: User) -> None:
    recorded(professional, "a", CLOSED - HOUR)
    closed(professional, operator)
    outcome = recorded(professional, "a", CLOSED - HOUR, seconds=125)
    assert (outcome.result, outcome.credits) == (Result.CORRECTED, 2)


def test_what_a_source_sent_before_is_recorded_and_then_it_is_gone(
    client: Client, professional: Account, operator: User
) -> None:
    at = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
    source = connect(account=professional, kind="vapi", name="Ours", by=None, now=at - HOUR)
    send_report(client, source, report(at=at))
    secret = sources.secret_of(source)
    closed(professional, operator)
    drain_all()
    assert Call.objects.get().credits == 3
    assert CallSource.objects.get().deleted_at == CLOSED
    assert send_report(client, source, report("v2", at=at), token=secret).status_code == 404
    with pytest.raises(AccountClosedError):
        connect(account=professional, kind="vapi", name="Another", by=None, now=CLOSED + HOUR)


# ── Keys, payments, warnings ──────────────────────────────────────────────────────────────────
def test_keys_open_nothing_any_more(professional: Account, owner: User, operator: User) -> None:
    membership = professional.memberships.get(user=owner)
    more: Any = {"scopes": ["calls:write"], "expires_at": None}
    made = create_key(
        membership=membership, public_id=uuid4(), name="Ours", now=CLOSED - DAY, **more
    )
    assert find_key(secret=made.secret, at=CLOSED - HOUR) is not None
    closed(professional, operator)
    assert find_key(secret=made.secret, at=CLOSED + HOUR) is None
    made.key.refresh_from_db()
    assert (made.key.revoked_at, made.key.revoked_by) == (CLOSED, operator)
    with pytest.raises(AccountClosedError):
        create_key(membership=membership, public_id=uuid4(), name="New", now=CLOSED, **more)


def begun(account: Account, owner: User, at: datetime) -> Payment:
    return buying.start(
        account=account,
        user_id=owner.pk,
        email=owner.email,
        quoted=pricing.quote(account=account, credits=500),
        form_key="form",
        return_url="http://localhost/{id}/",
        now=at,
    )


def test_open_payment_pages_are_closed(professional: Account, owner: User, operator: User) -> None:
    payment = begun(professional, owner, CLOSED - timedelta(minutes=1))
    closed(professional, operator)
    assert payments_to_ask_about(now=CLOSED) == [payment.pk]
    settled = settling.reconcile(payment_pk=payment.pk, now=CLOSED + HOUR)
    assert settled.status == Payment.Status.CANCELLED
    with pytest.raises(AccountClosedError):
        begun(professional, owner, CLOSED + HOUR)


def test_what_was_paid_before_its_page_was_closed_is_credited(
    professional: Account, owner: User, operator: User
) -> None:
    payment = begun(professional, owner, CLOSED - timedelta(minutes=1))
    gateway.decide(
        checkout_id=payment.checkout_id, decision=gateway.Decision.PAY, now=CLOSED - timedelta(1)
    )
    closed(professional, operator)
    settling.reconcile(payment_pk=payment.pk, now=CLOSED + HOUR)
    assert balance_of(professional).credits == 2_000


def test_nobody_is_warned_of_low_credits(
    professional: Account, owner: User, operator: User
) -> None:
    recorded(professional, "long", CLOSED - 20 * HOUR, seconds=30 * 1_450)
    account = closed(professional, operator)
    assert warnings.watch(account=account, now=CLOSED + HOUR) == []
    told = low_credits_of(account=account, person=owner, now=CLOSED + HOUR)
    assert (told.threshold, told.why_not) == (None, "the account is closed")
    assert not Notice.objects.exists()


# ── Closing twice, reopening ──────────────────────────────────────────────────────────────────
def test_an_account_is_closed_once(professional: Account, operator: User) -> None:
    closed(professional, operator)
    with pytest.raises(ClosingError, match="It was closed on 20 Mar 2026, 17:30 Asia/Kolkata"):
        closed(professional, operator, at=CLOSED + DAY)


def test_an_account_without_a_plan_can_be_closed(account: Account, operator: User) -> None:
    assert closed(account, operator).closed_at == CLOSED


def test_reopened_it_goes_on_and_the_time_between_stays_without_cycles_and_calls(
    professional: Account, operator: User
) -> None:
    closed(professional, operator)
    back = CLOSED + 60 * DAY
    reopen_account(account=professional, plan=plan_named("Professional"), now=back)
    granted = LedgerEntry.objects.filter(account=professional, kind=Kind.PLAN_CREDITS)
    assert list(granted.order_by("seq").values_list("occurred_at", flat=True)) == [SINCE, back]
    assert recorded(professional, "between", back - HOUR).result == Result.REJECTED
    assert recorded(professional, "before", CLOSED - HOUR).result == Result.CREATED
    assert recorded(professional, "since", back + HOUR).result == Result.CREATED
    assert due_for_renewal(now=back + 32 * DAY) == [professional.pk]


def test_reopened_within_a_month_it_is_granted_nothing_twice(
    professional: Account, operator: User
) -> None:
    closed(professional, operator)
    reopen_account(account=professional, plan=plan_named("Professional"), now=CLOSED + DAY)
    assert balance_of(professional).credits == 1_500
    assert len(grants_left(account=professional, now=CLOSED + DAY)) == 1


def test_only_a_closed_account_can_be_reopened(professional: Account) -> None:
    with pytest.raises(ClosingError, match="It is open"):
        reopen_account(account=professional, plan=plan_named("Base"), now=CLOSED)


def test_a_change_that_a_clock_ahead_has_begun_is_waited_for(
    professional: Account, operator: User
) -> None:
    soon = CLOSED + timedelta(seconds=5)
    subscribe(account=professional, plan=plan_named("Base"), at=soon, now=soon)
    with pytest.raises(SubscriptionError, match="has just begun"):
        closed(professional, operator)
    professional.refresh_from_db()
    assert professional.closed_at is None
