"""A purchase from its form to its credits and back, through the sandbox provider."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import (
    CreditGrant,
    LedgerEntry,
    Pack,
    Payment,
    TopUp,
    TopUpPricing,
    TopUpState,
)
from billing.payments import asking, buying, pricing, refunds, settling
from billing.payments.gateways import (
    DisputeStatus,
    GatewayError,
    PaymentStatus,
    RefundStatus,
    UnavailableGatewayError,
)
from billing.payments.tasks import reconcile_payment
from billing.plans.cycles import add_months
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments import purchases
from tests.billing.payments.purchases import (
    balance_of,
    checkout_facts,
    dispute_facts,
    refund_facts,
    review_of,
    state_of,
)
from tests.factories import AccountFactory
from tests.movements import call, post
from tests.properties import examples

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)  # the sandbox provider lives by the real clock
IN_A_YEAR = add_months(NOW, 12, ZoneInfo("Asia/Kolkata"))
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def begin(account, credits=500, form_key="form", now=NOW, user=None):
    return purchases.begin(account, credits=credits, form_key=form_key, at=now, user=user)


def decide(payment, decision, now=NOW, **more):
    gateway.decide(
        checkout_id=payment.checkout_id, decision=gateway.Decision(decision), now=now, **more
    )


def test_a_pack_costs_what_operators_set(account):
    pack = Pack.objects.get(currency="INR", credits=500)
    quoted = pricing.quote(account=account, pack=pack)
    assert (quoted.credits, quoted.price_minor, quoted.tax_minor) == (500, 599_900, 0)


@pytest.mark.parametrize(
    ("basis_points", "credits", "tax"), [(1800, 100, 26_982), (1825, 11, 3_212), (1, 10, 2)]
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
    payment = settling.reconcile(payment_pk=begin(account).pk, now=NOW)
    assert (state_of(payment), balance_of(account)) == (TopUpState.PENDING, 0)


def test_a_paid_top_up_is_credited_once_however_often_it_is_reported(account):
    payment = begin(account)
    decide(payment, "pay")
    for _ in range(3):
        payment = settling.reconcile(payment_pk=payment.pk, now=NOW)
        settling.settle(payment_pk=payment.pk, facts=checkout_facts(payment), now=NOW + MINUTE)
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)
    entry = LedgerEntry.objects.get(account=account)
    assert (entry.top_up, entry.remarks) == (payment.top_up, "")


def test_credits_are_valid_for_twelve_months(account):
    payment = begin(account)
    decide(payment, "pay")
    settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert CreditGrant.objects.get(account=account).expires_at == IN_A_YEAR


def test_the_same_form_sent_twice_is_one_purchase(account):
    assert begin(account) == begin(account, now=NOW + MINUTE)
    assert TopUp.objects.count() == 1


@pytest.mark.parametrize("closing", ["decline", "cancel"])
def test_a_closed_purchase_is_begun_anew_by_the_same_form(account, closing):
    first = begin(account)
    if closing == "decline":
        decide(first, "decline")
        settling.reconcile(payment_pk=first.pk, now=NOW)
    else:
        buying.cancel(payment=first, now=NOW)
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
    settling.reconcile(payment_pk=first.pk, now=NOW)
    assert buying.form_key(account=account, user_id=owner.pk) != before


def test_a_checkout_older_than_25_minutes_is_replaced(account, owner):
    first = begin(account, user=owner)
    assert begin(account, user=owner, now=NOW + 25 * MINUTE) == first
    second = begin(account, user=owner, now=NOW + 26 * MINUTE)
    first.refresh_from_db()
    assert (state_of(first), state_of(second)) == (TopUpState.CANCELLED, TopUpState.PENDING)


def test_a_checkout_that_was_paid_unnoticed_is_not_replaced(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay")
    assert begin(account, user=owner, now=NOW + 26 * MINUTE) == first
    assert balance_of(account) == 500
    assert not Payment.objects.filter(status="open").exists()


def test_a_checkout_with_a_payment_on_its_way_is_not_replaced(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay_late", late_by=50 * MINUTE)
    assert begin(account, user=owner, now=NOW + 26 * MINUTE) == first
    assert list(Payment.objects.filter(status="processing")) == [first]
    assert not Payment.objects.filter(status="open").exists()


def test_changing_ones_mind_closes_the_purchase_before(account, owner):
    first = begin(account, credits=100, user=owner)
    begin(account, credits=500, form_key="other", user=owner)
    first.refresh_from_db()
    assert state_of(first) == TopUpState.CANCELLED
    decide(first, "pay")
    assert state_of(settling.reconcile(payment_pk=first.pk, now=NOW)) == TopUpState.CANCELLED


def test_a_declined_payment_says_why(account):
    payment = begin(account)
    decide(payment, "decline")
    payment = settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert state_of(payment) == TopUpState.FAILED
    assert "declined" in payment.failure_reason


def test_nobody_paying_for_an_hour_expires_the_purchase(account):
    payment = begin(account, now=NOW - timedelta(hours=1))
    payment = settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert (state_of(payment), payment.ended_at) == (TopUpState.EXPIRED, NOW)


def test_a_purchase_that_the_provider_never_heard_of_expires(account):
    payment = begin(account)
    Payment.objects.filter(pk=payment.pk).update(checkout_id="", checkout_url="")
    a_moment_before = NOW + timedelta(hours=1) - timedelta(microseconds=1)
    payment = settling.reconcile(payment_pk=payment.pk, now=a_moment_before)
    assert state_of(payment) == TopUpState.UNOPENED
    payment = settling.reconcile(payment_pk=payment.pk, now=NOW + timedelta(hours=1))
    assert state_of(payment) == TopUpState.EXPIRED


def test_a_payment_on_its_way_is_not_cancelled_by_another_purchase(account, owner):
    first = begin(account, user=owner)
    decide(first, "pay_late", late_by=30 * MINUTE)
    begin(account, credits=100, form_key="other", user=owner)
    first.refresh_from_db()
    assert state_of(first) == TopUpState.PROCESSING
    gateway.checkout_now(checkout_id=first.checkout_id, now=NOW + 30 * MINUTE)
    assert state_of(settling.reconcile(payment_pk=first.pk, now=NOW)) == TopUpState.CREDITED


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_money_that_arrives_after_all_is_credited(account, state):
    payment = begin(account)
    settled = settling.settle(
        payment_pk=payment.pk, facts=checkout_facts(payment, status=PaymentStatus(state)), now=NOW
    )
    assert state_of(settled) == state
    settled = settling.settle(payment_pk=payment.pk, facts=checkout_facts(payment), now=NOW + DAY)
    assert (state_of(settled), balance_of(account)) == (TopUpState.CREDITED, 500)


@pytest.mark.parametrize("state", ["open", "failed", "cancelled", "expired"])
def test_older_news_does_not_undo_a_payment(account, state):
    payment = begin(account)
    settling.settle(payment_pk=payment.pk, facts=checkout_facts(payment), now=NOW)
    settled = settling.settle(
        payment_pk=payment.pk, facts=checkout_facts(payment, status=PaymentStatus(state)), now=NOW
    )
    assert (state_of(settled), balance_of(account)) == (TopUpState.CREDITED, 500)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"amount_minor": 1}, "reports INR 0.01, the top-up costs INR"),
        ({"amount_minor": 10**12}, "reports INR 10,000,000,000, the top-up costs INR"),
        ({"currency": "USD"}, "reports USD"),
        ({"account_reference": "other"}, "names the account other"),
        ({"checkout_id": "another"}, "another checkout"),
        ({"amount_minor": None}, "does not say what was paid"),
        ({"currency": ""}, "does not say what was paid"),
    ],
)
def test_a_payment_of_something_else_is_reviewed_and_not_credited(account, changed, reason):
    payment = begin(account)
    facts = checkout_facts(payment, **changed)
    settled = settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    assert (state_of(settled), balance_of(account)) == (TopUpState.CHECKING, 0)
    assert reason in review_of(settled)


@pytest.mark.parametrize("status", ["open", "processing", "cancelled"])
def test_what_does_not_fit_and_is_not_paid_does_not_block_the_same_pack(account, owner, status):
    """An amount converted by the provider, say: the page of it is closed, and bought anew."""
    first = begin(account, user=owner)
    SandboxCheckout.objects.update(currency="USD")
    wrong = checkout_facts(first, status=PaymentStatus(status), currency="USD")
    settling.settle(payment_pk=first.pk, facts=wrong, now=NOW)
    assert review_of(first) == ""
    second = begin(account, user=owner, now=NOW + 26 * MINUTE)
    assert (second.pk, state_of(second)) != (first.pk, TopUpState.PENDING)
    assert state_of(first) == TopUpState.CANCELLED
    third = begin(account, user=owner, now=NOW + 27 * MINUTE)
    assert (third, state_of(third)) == (second, TopUpState.PENDING)


def test_one_payment_does_not_pay_two_top_ups(account):
    first, second = begin(account), begin(account, form_key="second")
    for each in (first, second):
        facts = checkout_facts(each, payment_id="payment_1")
        settled = settling.settle(payment_pk=each.pk, facts=facts, now=NOW)
    assert (review_of(settled), balance_of(account)) == (
        "The provider names another payment.",
        500,
    )


def paid(account, credits=500):
    payment = begin(account, credits=credits)
    decide(payment, "pay")
    return settling.reconcile(payment_pk=payment.pk, now=NOW)


def test_a_refund_removes_the_unused_part_and_makes_debt_of_the_used(account):
    payment = paid(account)
    post(call(account, "a", 120), at=NOW)
    refunded = refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=NOW + DAY)
    assert (refunded.state, balance_of(account)) == (TopUpState.REFUNDED, -120)
    entry = LedgerEntry.objects.get(account=account, kind="refund")
    assert entry.credits == -500
    assert "By mistake" in entry.remarks


def test_a_refund_takes_from_its_own_grant_before_others(account):
    first, second = paid(account), begin(account, credits=100, form_key="second")
    decide(second, "pay")
    settling.reconcile(payment_pk=second.pk, now=NOW)
    refunds.refund(payment_pk=second.pk, reason="x", by=None, now=NOW)
    left = CreditGrant.objects.order_by("seq").values_list("credits", "remaining")
    assert (state_of(first), list(left)) == (TopUpState.CREDITED, [(500, 500), (100, 0)])


def test_a_partial_refund_by_the_provider_takes_that_part_once(account):
    payment = paid(account)
    part = refund_facts(payment, payment.top_up.total_minor // 4)
    for _ in range(2):
        payment = settling.settle(payment_pk=payment.pk, facts=part, now=NOW)
    assert (state_of(payment), balance_of(account)) == (TopUpState.PARTLY_REFUNDED, 375)
    rest = payment.top_up.total_minor - payment.top_up.total_minor // 4
    facts = refund_facts(payment, rest, refund_id="refund_2")
    payment = settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    assert (state_of(payment), balance_of(account)) == (TopUpState.REFUNDED, 0)


@pytest.mark.parametrize("status", ["open", "processing", "failed", "cancelled", "expired"])
def test_only_a_credited_top_up_can_be_refunded(account, status):
    payment = begin(account)
    facts = checkout_facts(payment, status=PaymentStatus(status))
    settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    with pytest.raises(pricing.TopUpError, match="only a credited top-up"):
        refunds.refund(payment_pk=payment.pk, reason="x", by=None, now=NOW)


# ── Asking again ──────────────────────────────────────────────────────────────────────────────
def times_asked(payment, *, until, step):
    """How often the provider is asked about ``payment`` from now on."""
    asked, now = 0, NOW
    while now < until:
        if payment.pk in asking.payments_to_ask_about(now=now):
            asked += 1
            settling.reconcile(payment_pk=payment.pk, now=now)
        now += step
    return asked


def test_the_provider_is_asked_less_and_less_often_about_what_nobody_pays(account):
    payment = begin(account)
    step = timedelta(seconds=30)
    assert 15 < times_asked(payment, until=NOW + timedelta(hours=1), step=step) < 30


def test_what_is_over_is_asked_about_for_three_days(account):
    payment = begin(account)
    facts = checkout_facts(payment, status=PaymentStatus.EXPIRED)
    payment = settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    assert asking.payments_to_ask_about(now=NOW + 2 * DAY) == [payment.pk]
    settling.reconcile(payment_pk=payment.pk, now=NOW + 3 * DAY)
    assert asking.payments_to_ask_about(now=NOW + 300 * DAY) == []


def test_what_was_paid_is_asked_about_some_thirty_times_in_120_days(account):
    """With 3 requests each: 10,000 payments a month are about 31,000 requests a day."""
    payment = paid(account)
    assert 28 <= times_asked(payment, until=NOW + 140 * DAY, step=timedelta(hours=2)) <= 32
    assert asking.payments_to_ask_about(now=NOW + 300 * DAY) == []


def test_the_gap_between_two_questions_is_a_week_at_most(account):
    payment = paid(account)
    settling.reconcile(payment_pk=payment.pk, now=NOW + 119 * DAY)
    payment.refresh_from_db()
    assert payment.next_check_at == NOW + 126 * DAY


@pytest.mark.parametrize("status", ["open", "warning"])
def test_an_open_dispute_is_asked_about_every_day_for_as_long_as_it_is_open(account, status):
    payment = paid(account)
    changed = {} if status == "open" else {"status": DisputeStatus.INQUIRY}
    facts = dispute_facts(payment, 5, **changed)
    later = NOW + 200 * DAY
    payment = settling.settle(payment_pk=payment.pk, facts=facts, now=later)
    assert payment.next_check_at == later + DAY


def test_a_decided_dispute_is_asked_about_for_120_days_since_it_was(account):
    payment = paid(account)
    later = NOW + 119 * DAY
    won = dispute_facts(payment, 5, status=DisputeStatus.WON)
    payment = settling.settle(payment_pk=payment.pk, facts=won, now=later)
    assert payment.next_check_at == later + timedelta(hours=6)
    payment = settling.settle(payment_pk=payment.pk, facts=won, now=later + 119 * DAY)
    assert payment.next_check_at is not None
    payment = settling.settle(payment_pk=payment.pk, facts=won, now=later + 120 * DAY)
    assert payment.next_check_at is None


def test_a_refund_under_way_is_asked_about_after_120_days_too(account):
    payment = paid(account)
    later = NOW + 200 * DAY
    pending = refund_facts(payment, 5, status=RefundStatus.PENDING)
    settling.settle(payment_pk=payment.pk, facts=pending, now=NOW)
    payment = settling.settle(payment_pk=payment.pk, facts=pending, now=later)
    assert payment.next_check_at == later + DAY


def test_a_refund_that_was_made_late_is_asked_about_for_120_days_because_it_can_fail(account):
    payment = paid(account)
    made = NOW + 200 * DAY
    facts = refund_facts(payment, 5)
    payment = settling.settle(payment_pk=payment.pk, facts=facts, now=made)
    assert payment.next_check_at == made + timedelta(hours=6)
    payment = settling.settle(payment_pk=payment.pk, facts=facts, now=made + 120 * DAY)
    assert payment.next_check_at is None


def test_a_provider_that_does_not_answer_is_asked_less_often_too(account, settings):
    payment = paid(account)
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    with pytest.raises(UnavailableGatewayError):
        settling.reconcile(payment_pk=payment.pk, now=NOW + 30 * DAY)
    payment.refresh_from_db()
    assert payment.next_check_at == NOW + 37 * DAY


def test_what_is_due_is_found_in_an_index(account, django_assert_num_queries):
    paid(account)
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM billing_payment WHERE next_check_at <= now() "
            "ORDER BY next_check_at LIMIT 500"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("SET enable_seqscan = on")
    assert "payment_to_ask_about" in plan


def test_a_dispute_and_a_refund_whose_reports_were_lost_are_found_by_asking(account):
    payment = paid(account)
    books = SandboxCheckout.objects.get()
    gateway.refund_payment(checkout=books, amount_minor=payment.top_up.total_minor // 5)
    dispute = gateway.dispute_payment(checkout=books, now=NOW)
    settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert (state_of(payment), balance_of(account)) == (TopUpState.DISPUTED, 0)
    dispute.status = "won"
    dispute.save()
    settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert (state_of(payment), balance_of(account)) == (TopUpState.PARTLY_REFUNDED, 400)
    assert refunds.refund(payment_pk=payment.pk, reason="x", by=None, now=NOW).money.kept_minor == 0
    assert balance_of(account) == 0


# ── Another provider, or none ─────────────────────────────────────────────────────────────────
def forget(payment):
    SandboxCheckout.objects.filter(checkout_id=payment.checkout_id).delete()


def test_a_checkout_that_the_provider_does_not_know_expires_with_that_reason(account):
    payment = begin(account)
    forget(payment)
    payment = settling.reconcile(payment_pk=payment.pk, now=NOW)
    assert (state_of(payment), payment.failure_reason) == (
        TopUpState.EXPIRED,
        settling.UNKNOWN_THERE,
    )


def test_a_checkout_that_the_provider_does_not_know_can_be_cancelled_and_bought_anew(
    account, owner
):
    first = begin(account, user=owner)
    forget(first)
    second = begin(account, credits=100, form_key="other", user=owner)
    assert second.checkout_url
    forget(second)
    assert state_of(buying.cancel(payment=second, now=NOW)) == TopUpState.EXPIRED


def test_a_purchase_whose_provider_is_not_in_use_any_more_expires_after_its_hour(account, settings):
    payment = begin(account)
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    with pytest.raises(UnavailableGatewayError):
        settling.reconcile(payment_pk=payment.pk, now=NOW)
    reconcile_payment(payment.pk)  # says so in the log, and is not tried again at once
    payment = settling.reconcile(payment_pk=payment.pk, now=NOW + timedelta(hours=1))
    assert (state_of(payment), payment.failure_reason) == (TopUpState.EXPIRED, settling.NOT_IN_USE)


def test_a_refund_at_a_provider_not_in_use_any_more_keeps_no_reason(account, settings):
    payment = paid(account)
    settings.SANDBOX_PAYMENTS_ALLOWED = False
    with pytest.raises(GatewayError, match="not allowed"):
        refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=NOW)
    assert state_of(payment) == TopUpState.CREDITED
    assert not payment.refunds.exists()


class AnyOrderOfNews(TestCase):
    """What a provider says of a checkout, in any order and number, credits a paid top-up once."""

    @given(news=st.lists(st.sampled_from(list(PaymentStatus)), max_size=8))
    @examples(20)
    def test_any_order(self, news):
        account = AccountFactory()
        payment = begin(account)
        for status in news:
            said = checkout_facts(payment, status=status)
            payment = settling.settle(payment_pk=payment.pk, facts=said, now=NOW)
        assert balance_of(account) == (500 if PaymentStatus.PAID in news else 0)


def test_changing_ones_mind_again_and_again_asks_the_database_no_more_each_time(account, owner):
    def change_of_mind():
        with CaptureQueriesContext(connection) as asked:
            for credits in (500, 600):
                begin(account, credits=credits, user=owner, now=datetime.now(UTC))
        return len(asked)

    change_of_mind()
    early = change_of_mind()
    for _ in range(20):
        change_of_mind()
    assert change_of_mind() == early
    assert TopUp.objects.filter(account=account).count() == 46
    assert Payment.objects.filter(status=Payment.Status.OPEN).count() == 1


def test_a_form_sent_again_finds_its_payment_though_later_orders_of_it_were_cancelled(
    account, owner
):
    first = begin(account, user=owner)
    buying.cancel(payment=first, now=NOW)
    second = begin(account, user=owner)
    buying.cancel(payment=second, now=NOW)
    settling.settle(payment_pk=first.pk, facts=checkout_facts(first), now=NOW)
    assert begin(account, user=owner).pk == first.pk
