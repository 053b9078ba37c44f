"""Money that goes back through Stripe, and what returns of it: refunds, disputes, failures."""

import pytest

from billing.models import LedgerEntry, PaymentEvent, TopUpState
from billing.payments import events, pricing, refunds
from billing.payments.gateways import GatewayError, RefusedError, stripe
from tests.billing.payments.purchases import balance_of, begin, now, state_of
from tests.billing.payments.stripe_events import take

pytestmark = pytest.mark.django_db

TOTAL = 800_000  # 500 credits of one's own at INR 16


@pytest.fixture
def paid(provider, client, account):
    """A credited top-up of 500 credits."""
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    top_up.refresh_from_db()
    return top_up


def test_refunds_made_at_stripe_take_their_part_and_then_the_rest(provider, client, account):
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    take(client, provider.refund(top_up.checkout_id, TOTAL // 4))
    assert (state_of(top_up), balance_of(account)) == (TopUpState.CREDITED, 375)
    take(client, provider.refund(top_up.checkout_id, TOTAL - TOTAL // 4))
    assert (state_of(top_up), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_refunds_that_are_reported_in_the_wrong_order_end_the_same(provider, client, account):
    top_up = begin(account)
    completed = provider.pay(top_up.checkout_id)
    part = provider.refund(top_up.checkout_id, 100_000)
    rest = provider.refund(top_up.checkout_id, TOTAL - 100_000)
    for event in (rest, part, completed):
        take(client, event)
    assert (state_of(top_up), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_an_operators_refund_is_made_once_at_stripe_and_once_in_the_ledger(
    provider, client, account
):
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    refunds.refund(top_up_id=top_up.pk, reason="By mistake", now=now())
    charge = provider._charge(top_up.checkout_id)
    take(client, provider.event("charge.refunded", charge))
    assert [refund["amount"] for refund in provider.refunds] == [TOTAL]
    assert (state_of(top_up), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_a_refund_whose_answer_was_lost_is_asked_for_again_and_made_once(provider, client, account):
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    provider.faults = ["", *["drop"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(top_up_id=top_up.pk, reason="By mistake", now=now())
    assert (state_of(top_up), len(provider.refunds)) == (TopUpState.CREDITED, 1)
    refunds.refund(top_up_id=top_up.pk, reason="By mistake", now=now())
    assert (state_of(top_up), len(provider.refunds)) == (TopUpState.REFUNDED, 1)


def test_a_dispute_takes_the_credits_back(provider, client, account):
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    take(client, provider.dispute(top_up.checkout_id))
    assert (state_of(top_up), balance_of(account)) == (TopUpState.CREDITED, 0)
    assert "disputed" in LedgerEntry.objects.get(kind="refund").remarks


def test_an_inquiry_of_the_bank_takes_nothing(provider, client, account):
    top_up = begin(account)
    take(client, provider.pay(top_up.checkout_id))
    take(client, provider.dispute(top_up.checkout_id, "warning_needs_response"))
    assert (state_of(top_up), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_a_dispute_reported_before_the_payment_waits_for_it(provider, client, account):
    top_up = begin(account)
    completed = provider.pay(top_up.checkout_id)
    assert take(client, provider.dispute(top_up.checkout_id)) == ""
    take(client, completed)
    waiting = PaymentEvent.objects.get(processed_at=None)
    events.process(event_id=waiting.pk, now=now())
    assert (state_of(top_up), balance_of(account)) == (TopUpState.CREDITED, 0)


# ── Disputes ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("how", [("won", "closed"), ("needs_response", "funds_reinstated")])
def test_a_dispute_that_is_won_gives_the_credits_back_once(provider, client, account, paid, how):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    paid.refresh_from_db()
    assert (paid.disputed_minor, paid.paid_back_minor, balance_of(account)) == (TOTAL, 0, 0)
    for _ in range(2):
        take(client, provider.decide_dispute(created, *how))
    take(client, provider.event("charge.dispute.created", created["data"]["object"]))
    paid.refresh_from_db()
    assert (paid.disputed_minor, paid.lost_minor, paid.refund_reason) == (0, 0, "")
    assert (paid.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    kinds = (
        LedgerEntry.objects.filter(account=account).order_by("seq").values_list("kind", "credits")
    )
    assert list(kinds) == [("top_up", 500), ("refund", -500), ("top_up", 500)]


def test_a_dispute_that_is_lost_pays_the_top_up_back(provider, client, account, paid):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    take(client, provider.decide_dispute(created, "lost"))
    paid.refresh_from_db()
    assert (paid.disputed_minor, paid.lost_minor) == (0, TOTAL)
    assert (paid.state, balance_of(account)) == (TopUpState.REFUNDED, 0)
    take(client, provider.decide_dispute(created, "lost", "funds_reinstated"))
    assert (state_of(paid), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_refunds_and_disputes_add_up(provider, client, account, paid):
    take(client, provider.refund(paid.checkout_id, TOTAL * 3 // 10))
    assert balance_of(account) == 350
    take(client, provider.dispute(paid.checkout_id, amount=TOTAL * 7 // 10))
    paid.refresh_from_db()
    assert (paid.refunded_minor, paid.disputed_minor) == (TOTAL * 3 // 10, TOTAL * 7 // 10)
    assert (paid.state, balance_of(account)) == (TopUpState.CREDITED, 0)


def test_credits_that_come_back_pay_the_debt_of_their_use(provider, client, account, paid):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    again = provider.dispute(paid.checkout_id)
    take(client, provider.decide_dispute(created, "won"))
    take(client, again)
    take(client, provider.decide_dispute(again, "won"))
    assert balance_of(account) == 500


def test_a_disputed_payment_can_not_be_refunded(provider, client, paid):
    take(client, provider.dispute(paid.checkout_id))
    with pytest.raises(pricing.TopUpError, match="disputed"):
        refunds.refund(top_up_id=paid.pk, reason="x", now=now())
    assert provider.refunds == []


# ── Refunds that fail ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
def test_a_refund_that_fails_later_puts_the_credits_back(provider, client, account, paid, kind):
    refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    assert balance_of(account) == 0
    provider.fail_refund(provider.refunds[0])
    for _ in range(2):
        take(client, provider.event(kind, provider.refunds[0]))
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_minor, balance_of(account)) == (TopUpState.CREDITED, 0, 500)
    assert "lost or stolen card" in paid.refund_failure
    refunds.refund(top_up_id=paid.pk, reason="Again", now=now())
    paid.refresh_from_db()
    assert (paid.state, paid.refund_failure, balance_of(account)) == (TopUpState.REFUNDED, "", 0)


def test_a_refund_that_is_cancelled_puts_the_credits_back(provider, client, account, paid):
    refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    provider.fail_refund(provider.refunds[0])
    provider.refunds[0].update(status="canceled", failure_reason=None)
    take(client, provider.event("refund.updated", provider.refunds[0]))
    paid.refresh_from_db()
    assert (paid.state, balance_of(account)) == (TopUpState.CREDITED, 500)
    assert paid.refund_failure == "The refund is canceled at Stripe: no reason was given."


def test_only_the_part_that_failed_comes_back(provider, client, account, paid):
    take(client, provider.refund(paid.checkout_id, TOTAL // 4))
    take(client, provider.refund(paid.checkout_id, TOTAL // 2))
    assert balance_of(account) == 125
    take(client, provider.fail_refund(provider.refunds[0]))
    assert balance_of(account) == 250


def test_a_refund_that_fails_at_once_takes_nothing_and_says_why(provider, account, paid):
    provider.refunds_fail = True
    with pytest.raises(RefusedError, match="lost or stolen card"):
        refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    paid.refresh_from_db()
    assert (paid.state, paid.refund_reason, balance_of(account)) == (TopUpState.CREDITED, "", 500)
    assert "lost or stolen card" in paid.refund_failure
    provider.refunds_fail = False
    refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    assert (state_of(paid), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_the_reason_of_a_refund_that_failed_is_not_that_of_a_later_dispute(
    provider, client, account, paid
):
    provider.faults = ["", *["500"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    take(client, provider.dispute(paid.checkout_id))
    assert "By mistake" not in LedgerEntry.objects.get(kind="refund").remarks


def test_an_operators_reason_survives_a_lost_answer(provider, client, account, paid):
    provider.faults = ["", *["drop"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(top_up_id=paid.pk, reason="By mistake", now=now())
    take(client, provider.event("charge.refunded", provider._charge(paid.checkout_id)))
    assert "By mistake" in LedgerEntry.objects.get(kind="refund").remarks
