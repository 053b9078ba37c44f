"""What moves credits in tests, through the product's own doors: nothing here posts by itself.

``post(call(…), top_up(…), at=…)`` does one after the other, calls that follow each other in one
batch. An account that was never on a plan is put on Enterprise first, long before any call: it
grants no credits and charges a credit for each 30 s, as Professional does.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from secrets import token_hex
from typing import Any

from billing.models import Account, Balance, Payment, Plan, TopUp
from billing.payments.gateways import CheckoutFacts, PaymentStatus
from billing.payments.settling import settle
from billing.plans.movements import adjust
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import NoTariffError, agreement_at
from calls.charging import record_calls
from calls.models import Call
from calls.records import CallRecord, validate

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECONDS_PER_CREDIT = 30
SINCE_EVER = datetime(2016, 1, 1, tzinfo=UTC)

Movement = CallRecord | Callable[[datetime], object]


def post(*movements: Movement, at: datetime) -> None:
    """Move the credits of each, in order, at ``at``."""
    for are_calls, together in groupby(movements, key=lambda one: isinstance(one, CallRecord)):
        if are_calls:
            record([one for one in together if isinstance(one, CallRecord)], at)
        else:
            for movement in together:
                assert callable(movement)
                movement(at)


def record(records: Sequence[CallRecord], at: datetime) -> None:
    """Record calls of accounts that have a tariff, or get one now; none may be rejected."""
    for account_id in sorted({one.account_id for one in records}):
        _ensure_tariff(Account.objects.get(pk=account_id), at)
    outcomes = record_calls(records=records, now=at)
    assert [outcome for outcome in outcomes if outcome.reason] == []


def call(
    account: Account, call_id: str, credits: int, at: datetime = NOW, **more: Any
) -> CallRecord:
    """A call that costs ``credits`` at a credit for each 30 s; nobody answered one that costs 0."""
    ended_at = at + timedelta(seconds=credits * SECONDS_PER_CREDIT)
    facts = {
        "usage_type": "outbound",
        "status": "completed" if credits else "no_answer",
        "connected_at": at if credits else None,
        **more,
    }
    return validate(
        account_id=account.pk,
        call_id=call_id,
        started_at=at,
        ended_at=ended_at,
        now=ended_at,
        **facts,
    )


def correction(
    account: Account, call_id: str, used: int, at: datetime | None = None, **more: Any
) -> Movement:
    """A later record of a call that costs ``used`` more credits, or fewer when negative."""

    def correct(now: datetime) -> None:
        known = Call.objects.get(account=account, call_id=call_id)
        started_at = known.started_at if at is None else at
        facts = {"remarks": "Corrected", "usage_type": known.usage_type, **more}
        record([call(account, call_id, known.credits + used, started_at, **facts)], now)

    return correct


def top_up(account: Account, credits: int, paid_at: datetime | None = None) -> Movement:
    """Credits that were bought: a purchase that its provider says is paid."""

    def buy(now: datetime) -> None:
        at = paid_at or now
        bought = TopUp.objects.create(
            account=account,
            idempotency_key=token_hex(16),
            credits=credits,
            price_minor=credits * 1_200,
            currency=account.currency,
            created_at=at,
        )
        payment = Payment.objects.create(top_up=bought, number=1, gateway="sandbox", created_at=at)
        facts = CheckoutFacts(
            status=PaymentStatus.PAID,
            reference=str(payment.request_key),
            account_reference=str(account.pk),
            checkout_id="",
            payment_id=f"payment_{payment.pk}",
            amount_minor=bought.total_minor,
            currency=bought.currency,
            paid_at=at,
        )
        settle(payment_pk=payment.pk, facts=facts, now=now)

    return buy


def goodwill(
    account: Account, credits: int, *, reason: str = "Goodwill", expires_at: datetime | None = None
) -> Movement:
    """Credits that an operator adds, which can be used until any time."""

    def add(now: datetime) -> None:
        adjust(
            account=account,
            credits=credits,
            reason=reason,
            reference=token_hex(16),
            at=now,
            expires_at=expires_at,
        )

    return add


def balance_of(account: Account) -> int:
    """The account's credits, read anew."""
    balance = Balance.objects.filter(account=account).first()
    return balance.credits if balance else 0


def _ensure_tariff(account: Account, at: datetime) -> None:
    try:
        agreement_at(account=account, at=at)
    except NoTariffError:
        subscribe(account=account, plan=Plan.objects.get(name="Enterprise"), at=SINCE_EVER, now=at)
