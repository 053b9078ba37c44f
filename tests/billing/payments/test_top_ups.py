"""A purchase from its form to its credits and back, through the sandbox provider."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import ledger
from billing.models import (
    Balance,
    CreditGrant,
    LedgerEntry,
    Pack,
    SandboxCheckout,
    TopUp,
    TopUpPricing,
    TopUpState,
)
from billing.payments import buying, pricing, refunds, settling, transitions
from billing.payments.gateways import (
    GatewayError,
    PaymentFacts,
    PaymentStatus,
    UnavailableGatewayError,
)
from billing.payments.tasks import reconcile_top_up
from billing.plans.cycles import add_months
from dashboard.sandbox import gateway
from tests.factories import AccountFactory
from tests.movements import call, post

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)  # the sandbox provider lives by the real clock
IN_A_YEAR = add_months(NOW, 12, ZoneInfo("Asia/Kolkata"))
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def begin(account, credits=500, form_key="form", now=NOW, user=None):
    return buying.start(
        account=account,
        user_id=user.pk if user else None,
        email="owner@example.com",
        quoted=pricing.quote(account=account, credits=credits),
        form_key=form_key,
        return_url="http://localhost/top-ups/{id}/",
        now=now,
    )


def decide(top_up, decision, now=NOW, **more):
    gateway.decide(
        checkout_id=top_up.checkout_id, decision=gateway.Decision(decision), now=now, **more
    )


def facts(top_up, **changed):
    said = {
        "status": PaymentStatus.PAID,
        "reference": str(top_up.public_id),
        "account_reference": top_up.account_reference,
        "payment_id": "payment_1",
        "amount_minor": top_up.total_minor,
        "currency": top_up.currency,
        **changed,
    }
    return PaymentFacts(**said)


def balance_of(account):
    balance = Balance.objects.filter(account=account).first()
    return balance.credits if balance else 0


def test_a_pack_costs_what_operators_set(account):
    pack = Pack.objects.get(currency="INR", credits=500)
    quoted = pricing.quote(account=account, pack=pack)
    assert (quoted.credits, quoted.price_minor, quoted.tax_minor) == (500, 599_900, 0)


@pytest.mark.parametrize(
    ("basis_points", "credits", "tax"), [(1800, 100, 28_800), (1825, 11, 3_212), (1, 10, 2)]
)
def test_tax_is_rounded_half_up_to_a_minor_unit(account, basis_points, credits, tax):
    TopUpPricing.objects.filter(currency="INR").update(
        tax_basis_points=basis_points, tax_name="GST"
    )
    quoted = pricing.quote(account=account, credits=credits)
    assert (quoted.tax_minor, quoted.tax_name) == (tax, "GST")
    assert quoted.total_minor == quoted.price_minor + tax


@pytest.mark.parametrize("credits", [None, 0, -5, 9, 100_001])
def test_an_amount_outside_the_limits_is_refused_with_the_limits(account, credits):
    with pytest.raises(pricing.TopUpError, match="from 10 to 100,000") as refused:
        pricing.quote(account=account, credits=credits)
    assert refused.value.field == "credits"


def test_a_pack_of_another_currency_or_withdrawn_is_refused(account):
    for pack in (Pack(credits=1, price_minor=1, currency="USD"), Pack(is_active=False)):
        with pytest.raises(pricing.TopUpError, match="no longer on offer"):
            pricing.quote(account=account, pack=pack)


def test_nothing_is_credited_before_the_provider_confirms(account):
    top_up = settling.reconcile(top_up_id=begin(account).pk, now=NOW)
    assert (top_up.state, balance_of(account)) == (TopUpState.PENDING, 0)


def test_a_paid_top_up_is_credited_once_however_often_it_is_reported(account):
    top_up = begin(account)
    decide(top_up, "pay")
    for _ in range(3):
        top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW)
        settling.settle(top_up_id=top_up.pk, facts=facts(top_up), now=NOW + MINUTE)
    assert (top_up.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    entry = LedgerEntry.objects.get(account=account)
    assert entry.remarks == f"Top-up of 500 credits, receipt {top_up.receipt_number}"


def test_credits_are_valid_for_twelve_months(account):
    top_up = begin(account)
    decide(top_up, "pay")
    settling.reconcile(top_up_id=top_up.pk, now=NOW)
    assert CreditGrant.objects.get(account=account).expires_at == IN_A_YEAR


def test_the_same_form_sent_twice_is_one_purchase(account):
    assert begin(account) == begin(account, now=NOW + MINUTE)
    assert TopUp.objects.count() == 1


@pytest.mark.parametrize("closing", ["decline", "cancel"])
def test_a_closed_purchase_is_begun_anew_by_the_same_form(account, closing):
    first = begin(account)
    if closing == "decline":
        decide(first, "decline")
        settling.reconcile(top_up_id=first.pk, now=NOW)
    else:
        buying.cancel(top_up=first, now=NOW)
    second = begin(account)
    assert second not in (first, begin(account, form_key="other"))
    assert second == begin(account)


def test_a_paid_purchase_is_not_begun_anew_by_the_same_form(account):
    first = paid(account)
    assert begin(account) == first


def test_the_form_key_changes_when_a_purchase_is_paid_and_only_then(account, owner):
    before = buying.form_key(account=account, user_id=owner.pk)
    first = begin(account, user=owner, form_key=before)
    assert buying.form_key(account=account, user_id=owner.pk) == before
    decide(first, "pay")
    settling.reconcile(top_up_id=first.pk, now=NOW)
    assert buying.form_key(account=account, user_id=owner.pk) != before


def test_a_checkout_older_than_25_minutes_is_replaced(account, owner):
    first = begin(account, user=owner)
    assert begin(account, user=owner, now=NOW + 25 * MINUTE) == first
    second = begin(account, user=owner, now=NOW + 26 * MINUTE)
    first.refresh_from_db()
    assert (first.state, second.state) == (TopUpState.CANCELLED, TopUpState.PENDING)


def test_a_checkout_that_was_paid_unnoticed_is_not_replaced(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay")
    assert begin(account, user=owner, now=NOW + 26 * MINUTE) == first
    assert balance_of(account) == 500
    assert not TopUp.objects.filter(state=TopUpState.PENDING).exists()


def test_a_checkout_with_a_payment_on_its_way_is_not_replaced(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay_late", late_by=50 * MINUTE)
    assert begin(account, user=owner, now=NOW + 26 * MINUTE) == first
    assert list(TopUp.objects.filter(state=TopUpState.PROCESSING)) == [first]
    assert not TopUp.objects.filter(state=TopUpState.PENDING).exists()


def test_changing_ones_mind_closes_the_purchase_before(account, owner):
    first = begin(account, credits=100, user=owner)
    begin(account, credits=500, form_key="other", user=owner)
    first.refresh_from_db()
    assert first.state == TopUpState.CANCELLED
    decide(first, "pay")
    assert settling.reconcile(top_up_id=first.pk, now=NOW).state == TopUpState.CANCELLED


def test_a_declined_payment_says_why(account):
    top_up = begin(account)
    decide(top_up, "decline")
    top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW)
    assert top_up.state == TopUpState.FAILED
    assert "declined" in top_up.failure_reason


def test_nobody_paying_for_an_hour_expires_the_purchase(account):
    top_up = begin(account, now=NOW - timedelta(hours=1))
    top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW)
    assert (top_up.state, top_up.expired_at) == (TopUpState.EXPIRED, NOW)


def test_a_purchase_that_the_provider_never_heard_of_expires(account):
    top_up = begin(account)
    TopUp.objects.filter(pk=top_up.pk).update(checkout_id="", checkout_url="")
    a_moment_before = NOW + timedelta(hours=1) - timedelta(microseconds=1)
    assert settling.reconcile(top_up_id=top_up.pk, now=a_moment_before).state == TopUpState.PENDING
    top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW + timedelta(hours=1))
    assert top_up.state == TopUpState.EXPIRED


def test_a_payment_on_its_way_is_not_cancelled_by_another_purchase(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay_late", late_by=30 * MINUTE)
    begin(account, credits=100, form_key="other", user=owner)
    first.refresh_from_db()
    assert first.state == TopUpState.PROCESSING
    gateway.checkout_now(checkout_id=first.checkout_id, now=NOW + 30 * MINUTE)
    assert settling.reconcile(top_up_id=first.pk, now=NOW).state == TopUpState.CREDITED


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_money_that_arrives_after_all_is_credited(account, state):
    top_up = begin(account)
    settled = settling.settle(
        top_up_id=top_up.pk, facts=facts(top_up, status=PaymentStatus(state)), now=NOW
    )
    assert settled.state == state
    settled = settling.settle(top_up_id=top_up.pk, facts=facts(top_up), now=NOW + DAY)
    assert (settled.state, balance_of(account)) == (TopUpState.CREDITED, 500)


@pytest.mark.parametrize("state", ["open", "failed", "cancelled", "expired"])
def test_older_news_does_not_undo_a_payment(account, state):
    top_up = begin(account)
    settling.settle(top_up_id=top_up.pk, facts=facts(top_up), now=NOW)
    settled = settling.settle(
        top_up_id=top_up.pk, facts=facts(top_up, status=PaymentStatus(state)), now=NOW
    )
    assert (settled.state, balance_of(account)) == (TopUpState.CREDITED, 500)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount_minor": 1}, "an amount of 1"),
        ({"amount_minor": 10**12}, "an amount of"),
        ({"currency": "USD"}, "reports USD"),
        ({"account_reference": "other"}, "names the account other"),
        ({"checkout_id": "another"}, "another checkout"),
        ({"amount_minor": None}, "does not say what was paid"),
        ({"currency": ""}, "does not say what was paid"),
    ],
)
def test_a_payment_of_something_else_is_parked_and_not_credited(account, changed, reason):
    top_up = begin(account)
    settled = settling.settle(top_up_id=top_up.pk, facts=facts(top_up, **changed), now=NOW)
    assert (settled.state, balance_of(account)) == (TopUpState.PENDING, 0)
    assert reason in settled.parked_reason


def test_one_payment_does_not_pay_two_top_ups(account):
    first, second = begin(account), begin(account, form_key="second")
    settling.settle(top_up_id=first.pk, facts=facts(first), now=NOW)
    settled = settling.settle(top_up_id=second.pk, facts=facts(second), now=NOW)
    assert (settled.parked_reason, balance_of(account)) == (
        "The provider names another payment.",
        500,
    )


def test_a_refund_of_something_else_is_parked_for_an_operator(account):
    top_up = paid(account)
    wrong = facts(top_up, payment_id="", currency="USD", refunded_minor=top_up.total_minor)
    settled = settling.settle(top_up_id=top_up.pk, facts=wrong, now=NOW)
    assert (settled.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    assert "reports USD" in settled.parked_reason


def paid(account, credits=500):
    top_up = begin(account, credits=credits)
    decide(top_up, "pay")
    return settling.reconcile(top_up_id=top_up.pk, now=NOW)


def test_a_refund_removes_the_unused_part_and_makes_debt_of_the_used(account):
    top_up = paid(account)
    post(call(account, "a", 120), at=NOW)
    refunded = refunds.refund(top_up_id=top_up.pk, reason="By mistake", now=NOW + DAY)
    assert (refunded.state, balance_of(account)) == (TopUpState.REFUNDED, -120)
    entry = LedgerEntry.objects.get(account=account, kind="refund")
    assert entry.credits == -500
    assert "By mistake" in entry.remarks


def test_a_refund_takes_from_its_own_grant_before_others(account):
    first, second = paid(account), begin(account, credits=100, form_key="second")
    decide(second, "pay")
    settling.reconcile(top_up_id=second.pk, now=NOW)
    refunds.refund(top_up_id=second.pk, reason="x", now=NOW)
    left = dict(CreditGrant.objects.values_list("reference", "remaining"))
    assert left == {f"top-up:{first.pk}": 500, f"top-up:{second.pk}": 0}


def test_a_partial_refund_by_the_provider_takes_that_part_once(account):
    top_up = paid(account)
    for _ in range(2):
        part = facts(top_up, payment_id="", refunded_minor=top_up.total_minor // 4)
        settled = settling.settle(top_up_id=top_up.pk, facts=part, now=NOW)
    assert (settled.state, balance_of(account)) == (TopUpState.CREDITED, 375)
    rest = facts(top_up, payment_id="", refunded_minor=top_up.total_minor)
    settled = settling.settle(top_up_id=top_up.pk, facts=rest, now=NOW)
    assert (settled.state, balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_a_refund_known_before_the_payment_credits_nothing(account):
    top_up = begin(account)
    known = facts(top_up, refunded_minor=top_up.total_minor)
    assert settling.settle(top_up_id=top_up.pk, facts=known, now=NOW).state == TopUpState.REFUNDED
    settled = settling.settle(top_up_id=top_up.pk, facts=facts(top_up), now=NOW)
    assert (settled.state, balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_credits_that_expired_are_not_taken_a_second_time(account):
    top_up = paid(account)
    later = IN_A_YEAR + DAY
    post(call(account, "a", 100), at=NOW)
    ledger.expire(account_ids=[account.pk], at=later)
    refunds.refund(top_up_id=top_up.pk, reason="x", now=later)
    assert balance_of(account) == -100


@pytest.mark.parametrize("state", [s for s in TopUpState if s != TopUpState.CREDITED])
def test_only_a_credited_top_up_can_be_refunded(account, state):
    top_up = begin(account)
    TopUp.objects.filter(pk=top_up.pk).update(state=state)
    with pytest.raises(pricing.TopUpError, match="only a credited top-up"):
        refunds.refund(top_up_id=top_up.pk, reason="x", now=NOW)


@pytest.mark.parametrize("before", list(TopUpState))
@pytest.mark.parametrize("after", list(TopUpState))
def test_illegal_transitions_raise(before, after):
    top_up = TopUp(pk=1, state=before)
    if after in transitions.TRANSITIONS[before]:
        transitions.move(top_up, after, NOW)
        assert getattr(top_up, f"{after.value}_at") == NOW
    else:
        with pytest.raises(transitions.IllegalTransitionError, match="can't become"):
            transitions.move(top_up, after, NOW)


def test_the_provider_is_asked_less_and_less_often(account):
    top_up = begin(account)
    asked, now = 0, NOW
    while now < NOW + timedelta(days=4):
        if top_up.pk in settling.to_reconcile(now=now):
            asked += 1
            TopUp.objects.filter(pk=top_up.pk).update(checked_at=now)
        now += timedelta(seconds=30) if now < NOW + 5 * MINUTE else 10 * MINUTE
    assert 20 < asked < 60
    in_a_month = NOW + 30 * DAY
    assert settling.to_reconcile(now=in_a_month) == [top_up.pk]
    TopUp.objects.filter(pk=top_up.pk).update(checked_at=in_a_month)
    assert settling.to_reconcile(now=in_a_month + DAY) == []


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_the_provider_is_asked_for_three_days_about_what_is_over(account, state):
    top_up = begin(account)
    settling.settle(top_up_id=top_up.pk, facts=facts(top_up, status=PaymentStatus(state)), now=NOW)
    assert settling.to_reconcile(now=NOW + 2 * DAY) == [top_up.pk]
    assert settling.to_reconcile(now=NOW + 3 * DAY) == []


# ── Another provider, or none ─────────────────────────────────────────────────────────────────
def forget(top_up):
    SandboxCheckout.objects.filter(checkout_id=top_up.checkout_id).delete()


def test_a_checkout_that_the_provider_does_not_know_expires_with_that_reason(account):
    top_up = begin(account)
    forget(top_up)
    top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW)
    assert (top_up.state, top_up.failure_reason) == (TopUpState.EXPIRED, settling.UNKNOWN_THERE)


def test_a_checkout_that_the_provider_does_not_know_can_be_cancelled_and_bought_anew(
    account, owner
):
    first = begin(account, user=owner)
    forget(first)
    second = begin(account, credits=100, form_key="other", user=owner)
    assert second.checkout_url
    forget(second)
    assert buying.cancel(top_up=second, now=NOW).state == TopUpState.EXPIRED


def test_a_purchase_whose_provider_is_not_in_use_any_more_expires_after_its_hour(account, settings):
    top_up = begin(account)
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    with pytest.raises(UnavailableGatewayError):
        settling.reconcile(top_up_id=top_up.pk, now=NOW)
    reconcile_top_up(top_up.pk)  # says so in the log, and is not tried again at once
    top_up = settling.reconcile(top_up_id=top_up.pk, now=NOW + timedelta(hours=1))
    assert (top_up.state, top_up.failure_reason) == (TopUpState.EXPIRED, settling.NOT_IN_USE)


def test_a_refund_at_a_provider_not_in_use_any_more_keeps_no_reason(account, settings):
    top_up = paid(account)
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    with pytest.raises(GatewayError, match="not allowed"):
        refunds.refund(top_up_id=top_up.pk, reason="By mistake", now=NOW)
    top_up.refresh_from_db()
    assert (top_up.state, top_up.refund_reason) == (TopUpState.CREDITED, "")


class AnyOrderOfNews(TestCase):
    """What a provider says, in any order and number, credits a paid purchase once."""

    @given(
        news=st.lists(st.sampled_from([(s, r) for s in PaymentStatus for r in (0, 1)]), max_size=8)
    )
    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    def test_any_order(self, news):
        account = AccountFactory()
        top_up = begin(account)
        total = top_up.total_minor
        for status, refunded in news:
            paid_and_refunded = refunded and status is PaymentStatus.PAID
            said = facts(
                top_up,
                status=status,
                payment_id=f"payment_{top_up.pk}",
                refunded_minor=total if paid_and_refunded else 0,
            )
            top_up = settling.settle(top_up_id=top_up.pk, facts=said, now=NOW)
        was_paid = any(status is PaymentStatus.PAID for status, _ in news)
        was_refunded = any(status is PaymentStatus.PAID and refunded for status, refunded in news)
        assert balance_of(account) == (500 if was_paid and not was_refunded else 0)
