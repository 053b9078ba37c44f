"""Money that goes back through Stripe, and what returns of it: refunds, disputes, failures."""

from datetime import timedelta

import pytest

from billing.models import Dispute, LedgerEntry, PaymentEvent, Refund, TopUpState
from billing.payments import asking, events, pricing, refunds, settling
from billing.payments.gateways import GatewayError, RefusedError, stripe
from tests.billing.payments.purchases import (
    TOTAL,
    balance_of,
    begin,
    now,
    standing_of,
    state_of,
)
from tests.billing.payments.stripe_events import take

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(provider, client, account):
    """A credited top-up of 500 credits."""
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    payment.refresh_from_db()
    return payment


def test_refunds_made_at_stripe_take_their_part_and_then_the_rest(provider, client, account):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    take(client, provider.refund(payment.checkout_id, TOTAL // 4))
    assert (state_of(payment), balance_of(account)) == (TopUpState.PARTLY_REFUNDED, 375)
    take(client, provider.refund(payment.checkout_id, TOTAL - TOTAL // 4))
    assert (state_of(payment), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_refunds_that_are_reported_in_the_wrong_order_end_the_same(provider, client, account):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    part = provider.refund(payment.checkout_id, 100_000)
    rest = provider.refund(payment.checkout_id, TOTAL - 100_000)
    for event in (rest, part, completed):
        take(client, event)
    assert (state_of(payment), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_an_operators_refund_is_made_once_at_stripe_and_once_in_the_ledger(
    provider, client, account
):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=now())
    charge = provider._charge(payment.checkout_id)
    take(client, provider.event("charge.refunded", charge))
    assert [refund["amount"] for refund in provider.refunds] == [TOTAL]
    assert (state_of(payment), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_a_refund_whose_answer_was_lost_is_asked_for_again_and_made_once(provider, client, account):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    provider.faults = ["", "", "", *["drop"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=now())
    assert (state_of(payment), len(provider.refunds)) == (TopUpState.CREDITED, 1)
    refunds.refund(payment_pk=payment.pk, reason="By mistake", by=None, now=now())
    assert (state_of(payment), len(provider.refunds)) == (TopUpState.REFUNDED, 1)


def test_a_dispute_takes_the_credits_back(provider, client, account):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    take(client, provider.dispute(payment.checkout_id))
    assert (state_of(payment), balance_of(account)) == (TopUpState.DISPUTED, 0)
    assert LedgerEntry.objects.get(kind="refund").remarks == ""


def test_an_inquiry_of_the_bank_takes_nothing(provider, client, account):
    payment = begin(account)
    take(client, provider.pay(payment.checkout_id))
    take(client, provider.dispute(payment.checkout_id, "warning_needs_response"))
    assert (state_of(payment), balance_of(account)) == (TopUpState.CREDITED, 500)


def test_a_dispute_reported_before_the_payment_waits_for_it(provider, client, account):
    payment = begin(account)
    completed = provider.pay(payment.checkout_id)
    assert take(client, provider.dispute(payment.checkout_id)) == ""
    take(client, completed)
    waiting = PaymentEvent.objects.get(processed_at=None)
    events.process(event_id=waiting.pk, now=now())
    assert (state_of(payment), balance_of(account)) == (TopUpState.DISPUTED, 0)


# ── Disputes ──────────────────────────────────────────────────────────────────────────────────
def test_a_dispute_that_is_won_gives_the_credits_back_once(provider, client, account, paid):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    money = standing_of(paid).money
    assert (money.disputed_minor, money.paid_back_minor, balance_of(account)) == (TOTAL, 0, 0)
    for _ in range(2):
        take(client, provider.decide_dispute(created, "won"))
    take(client, provider.event("charge.dispute.created", created["data"]["object"]))
    money = standing_of(paid).money
    assert (money.disputed_minor, money.lost_minor) == (0, 0)
    assert (state_of(paid), balance_of(account)) == (TopUpState.CREDITED, 500)
    kinds = (
        LedgerEntry.objects.filter(account=account).order_by("seq").values_list("kind", "credits")
    )
    assert list(kinds) == [("top_up", 500), ("refund", -500), ("top_up", 500)]


def test_the_status_of_a_dispute_decides_and_not_the_movement_of_funds(
    provider, client, account, paid
):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    take(client, provider.reinstate(created, TOTAL))
    assert (state_of(paid), balance_of(account)) == (TopUpState.DISPUTED, 0)


def test_a_lost_dispute_gives_nothing_back_that_a_refund_has_paid_already(
    provider, client, account, paid
):
    """500 credits, three tenths refunded, all of it disputed and lost, three tenths reinstated."""
    part = TOTAL * 3 // 10
    take(client, provider.refund(paid.checkout_id, part))
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    take(client, provider.decide_dispute(created, "lost"))
    take(client, provider.reinstate(created, part))
    assert (state_of(paid), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_what_came_back_is_counted_as_a_part_where_it_is_settled_in_another_currency(
    provider, client, account, paid
):
    created = provider.dispute(paid.checkout_id)
    take(client, provider.decide_dispute(created, "lost"))
    take(client, provider.reinstate(created, 2_000, withdrawn=5_000))
    assert standing_of(paid).money.lost_minor == TOTAL - TOTAL * 2 // 5
    assert balance_of(account) == 200


def test_a_won_dispute_that_is_lost_on_appeal_takes_the_credits_again(
    provider, client, account, paid
):
    created = provider.dispute(paid.checkout_id)
    for status, left in (
        ("won", 500),
        ("appeal_needs_response", 0),
        ("appeal_under_review", 0),
        ("won", 500),
        ("lost", 0),
    ):
        take(client, provider.decide_dispute(created, status, "updated"))
        assert balance_of(account) == left


@pytest.mark.parametrize(
    ("moved", "left"),
    [
        ((), 0),
        ((-TOTAL,), 0),
        ((-TOTAL, TOTAL), 0),  # the funds of the appeal have not moved: the status decides
        ((-TOTAL, TOTAL, -TOTAL), 0),
        ((-TOTAL, TOTAL, -TOTAL, TOTAL, -TOTAL), 0),
        ((-TOTAL, TOTAL * 2 // 5), 200),
        ((-TOTAL, TOTAL * 2 // 5, -TOTAL * 2 // 5), 0),
        ((-TOTAL, TOTAL * 2 // 5, -TOTAL // 5), 100),
        ((-TOTAL, TOTAL, -TOTAL, TOTAL * 2 // 5), 200),
        ((-TOTAL * 3 // 5, -TOTAL * 2 // 5, TOTAL * 2 // 5), 200),
        ((-5_200, 5_200, -5_000), 0),  # settled at another rate of exchange
        ((-5_000, 5_200, -5_000, 2_000), 200),
    ],
)
def test_of_a_lost_dispute_came_back_what_was_not_withdrawn_again(
    provider, client, account, paid, moved, left
):
    created = provider.dispute(paid.checkout_id)
    if moved:
        provider.move_funds(created, *moved)
    take(client, provider.decide_dispute(created, "lost"))
    assert balance_of(account) == left


def test_movements_of_funds_count_in_the_order_of_their_time(provider, client, account, paid):
    created = provider.dispute(paid.checkout_id)
    provider.move_funds(created, -TOTAL, TOTAL * 2 // 5)
    provider.disputes[0]["balance_transactions"].reverse()
    take(client, provider.decide_dispute(created, "lost"))
    assert balance_of(account) == 200


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_closed", "prevented"])
def test_an_inquiry_takes_nothing_and_is_not_said_to_be_of_others(
    provider, client, account, paid, status
):
    said = take(client, provider.dispute(paid.checkout_id, status))
    assert said == f"{paid.top_up.receipt_number} is credited."
    assert balance_of(account) == 500


def test_an_inquiry_that_was_closed_is_over(provider, client, paid):
    created = provider.dispute(paid.checkout_id, "warning_needs_response")
    take(client, created)
    assert Dispute.objects.get().status in Dispute.UNDECIDED
    take(client, provider.decide_dispute(created, "warning_closed"))
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.provider_status) == ("prevented", "warning_closed")
    later = now() + asking.PAID_WATCHED_FOR
    paid.refresh_from_db()
    assert asking.next_check_at(paid, now=later + timedelta(days=1)) is None


def test_a_dispute_in_a_state_that_nobody_knows_holds_the_money_until_one_does(
    provider, client, account, paid
):
    created = provider.dispute(paid.checkout_id, "pondering")
    take(client, created)
    assert (state_of(paid), balance_of(account)) == (TopUpState.DISPUTED, 0)
    take(client, provider.decide_dispute(created, "won"))
    assert balance_of(account) == 500


def test_operators_see_until_when_a_dispute_can_be_answered(provider, client, paid):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    dispute = Dispute.objects.get()
    due_by = created["data"]["object"]["evidence_details"]["due_by"]
    assert dispute.due_by is not None
    assert (dispute.due_by.timestamp(), dispute.provider_status) == (due_by, "needs_response")


def test_a_dispute_whose_events_were_lost_is_found_and_its_end_too(provider, account, paid):
    created = provider.dispute(paid.checkout_id)
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert balance_of(account) == 0
    provider.decide_dispute(created, "won")
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert balance_of(account) == 500
    refunds.refund(payment_pk=paid.pk, reason="x", by=None, now=now())
    assert balance_of(account) == 0


def test_an_event_is_believed_where_the_provider_will_not_be_asked(
    provider, client, account, paid, settings
):
    """A restricted key that may not read disputes."""
    created = provider.dispute(paid.checkout_id)
    settings.STRIPE_SECRET_KEY = "sk_test_restricted"
    take(client, created)
    assert (state_of(paid), balance_of(account)) == (TopUpState.DISPUTED, 0)


@pytest.mark.parametrize("fault", ["drop", "500"])
def test_an_old_event_waits_while_the_provider_can_not_be_asked(
    provider, client, account, paid, fault
):
    created = provider.dispute(paid.checkout_id)
    take(client, created)
    take(client, provider.decide_dispute(created, "won"))
    late = provider.event("charge.dispute.created", created["data"]["object"])
    provider.faults = [fault] * (1 + stripe.NETWORK_RETRIES)
    with pytest.raises(GatewayError):
        take(client, late)
    assert balance_of(account) == 500
    event = PaymentEvent.objects.get(processed_at=None)
    events.process(event_id=event.pk, now=now())
    assert balance_of(account) == 500


def test_refunds_and_disputes_add_up(provider, client, account, paid):
    take(client, provider.refund(paid.checkout_id, TOTAL * 3 // 10))
    assert balance_of(account) == 350
    take(client, provider.dispute(paid.checkout_id, amount=TOTAL * 7 // 10))
    money = standing_of(paid).money
    assert (money.refunded_minor, money.disputed_minor) == (TOTAL * 3 // 10, TOTAL * 7 // 10)
    assert (state_of(paid), balance_of(account)) == (TopUpState.DISPUTED, 0)


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
        refunds.refund(payment_pk=paid.pk, reason="x", by=None, now=now())
    assert provider.refunds == []


# ── Refunds that fail ─────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated", "charge.refund.updated"])
def test_a_refund_that_fails_later_puts_the_credits_back(provider, client, account, paid, kind):
    refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    assert balance_of(account) == 0
    provider.fail_refund(provider.refunds[0])
    for _ in range(2):
        take(client, provider.event(kind, provider.refunds[0]))
    standing = standing_of(paid)
    assert (standing.state, standing.money.refunded_minor) == (TopUpState.CREDITED, 0)
    assert balance_of(account) == 500
    assert "lost or stolen card" in standing.refund_failure
    refunds.refund(payment_pk=paid.pk, reason="Again", by=None, now=now())
    standing = standing_of(paid)
    assert (standing.state, standing.refund_failure) == (TopUpState.REFUNDED, "")
    assert balance_of(account) == 0


def test_a_refund_that_is_cancelled_puts_the_credits_back(provider, client, account, paid):
    refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    provider.fail_refund(provider.refunds[0])
    provider.refunds[0].update(status="canceled", failure_reason=None)
    take(client, provider.event("refund.updated", provider.refunds[0]))
    assert (state_of(paid), balance_of(account)) == (TopUpState.CREDITED, 500)
    failure = "The refund is canceled at Stripe: no reason was given."
    assert standing_of(paid).refund_failure == failure


def test_only_the_part_that_failed_comes_back(provider, client, account, paid):
    take(client, provider.refund(paid.checkout_id, TOTAL // 4))
    take(client, provider.refund(paid.checkout_id, TOTAL // 2))
    assert balance_of(account) == 125
    take(client, provider.fail_refund(provider.refunds[0]))
    assert balance_of(account) == 250


def test_a_refund_that_fails_at_once_takes_nothing_and_says_why(provider, account, paid):
    provider.refunds_fail = True
    with pytest.raises(RefusedError, match="lost or stolen card"):
        refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    standing = standing_of(paid)
    assert (standing.state, standing.refund_reason) == (TopUpState.CREDITED, "")
    assert balance_of(account) == 500
    assert "lost or stolen card" in standing.refund_failure
    provider.refunds_fail = False
    refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    assert (state_of(paid), balance_of(account)) == (TopUpState.REFUNDED, 0)


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_a_refund_on_its_way_takes_its_credits(provider, client, account, paid, status):
    take(client, provider.refund(paid.checkout_id, TOTAL))
    provider.refunds[0]["status"] = status
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert (state_of(paid), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_a_refund_in_a_state_that_nobody_knows_takes_nothing_until_somebody_does(
    provider, client, account, paid
):
    provider.refund(paid.checkout_id, TOTAL)
    provider.refunds[0]["status"] = "pondering"
    take(client, provider.event("refund.created", provider.refunds[0]))
    assert (state_of(paid), balance_of(account)) == (TopUpState.CREDITED, 500)
    with pytest.raises(pricing.TopUpError, match="in a state that we do not know"):
        refunds.refund(payment_pk=paid.pk, reason="x", by=None, now=now())
    provider.refunds[0]["status"] = "succeeded"
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert (state_of(paid), balance_of(account)) == (TopUpState.REFUNDED, 0)


def test_the_reason_of_a_refund_that_failed_is_not_that_of_a_later_dispute(
    provider, client, account, paid
):
    provider.faults = ["", "", "", *["500"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    assert Refund.objects.get().status == "failed"
    take(client, provider.dispute(paid.checkout_id))
    assert "By mistake" not in LedgerEntry.objects.get(kind="refund").remarks


@pytest.mark.parametrize("finds", ["charge.refunded", "refund.created", "asking"])
def test_our_own_refund_whose_answer_was_lost_is_one_row_with_its_reason(
    provider, client, account, paid, owner, finds
):
    provider.faults = ["", "", "", *["drop"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        refunds.refund(payment_pk=paid.pk, reason="By mistake", by=owner.pk, now=now())
    assert (Refund.objects.get().status, balance_of(account)) == ("requested", 500)
    if finds == "asking":
        settling.reconcile(payment_pk=paid.pk, now=now())
    elif finds == "charge.refunded":
        take(client, provider.event(finds, provider._charge(paid.checkout_id)))
    else:
        take(client, provider.event(finds, provider.refunds[0]))
    refund = Refund.objects.get()
    assert (refund.status, refund.refund_id) == ("succeeded", provider.refunds[0]["id"])
    assert (refund.reason, refund.requested_by) == ("By mistake", owner)
    assert "By mistake" in LedgerEntry.objects.get(kind="refund").remarks


def test_what_the_provider_has_changed_meanwhile_moves_credits_once(provider, account, paid):
    """A refund has failed and a dispute has begun since it was asked last: all is gone still."""
    provider.refund(paid.checkout_id, TOTAL)
    settling.reconcile(payment_pk=paid.pk, now=now())
    provider.fail_refund(provider.refunds[0])
    provider.dispute(paid.checkout_id)
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert (state_of(paid), balance_of(account)) == (TopUpState.DISPUTED, 0)
    kinds = LedgerEntry.objects.order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == ["top_up", "refund"]


def test_a_request_that_never_arrived_is_given_up_after_a_day(provider, account, paid):
    provider.faults = ["", "", "", "drop", "drop"]
    with pytest.raises(GatewayError):
        refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    provider.refunds.clear()  # as if it had not arrived
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert Refund.objects.get().status == "requested"
    settling.reconcile(payment_pk=paid.pk, now=now() + timedelta(days=1))
    refund = Refund.objects.get()
    assert (refund.status, refund.failure_reason) == ("cancelled", settling.NEVER_ARRIVED)


def test_a_request_that_never_arrived_is_not_repeated_with_its_key_after_a_day(
    provider, account, paid
):
    """After a day the provider has forgotten the key, and would pay back a second time."""
    provider.faults = ["", "", "", "drop", "drop"]
    with pytest.raises(GatewayError):
        refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=now())
    provider.refunds.clear()  # as if it had not arrived
    (charge,) = provider.charges.values()
    charge["amount_refunded"] = 0
    tomorrow = now() + timedelta(days=1)
    refunds.refund(payment_pk=paid.pk, reason="By mistake", by=None, now=tomorrow)
    first, second = Refund.objects.order_by("pk")
    assert (first.status, second.status) == ("cancelled", "succeeded")
    assert first.request_key != second.request_key


# ── More than one page of them ────────────────────────────────────────────────────────────────
def test_all_refunds_of_a_payment_are_found_however_many_pages_they_fill(provider, account, paid):
    provider.refund(paid.checkout_id, TOTAL // 2)
    for _ in range(230):
        provider.refund(paid.checkout_id, 100)
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert Refund.objects.count() == 231
    assert balance_of(account) == 500 - 500 * (TOTAL // 2 + 230 * 100) // TOTAL
    pages = [each for each in provider.requests if each.path == "/v1/refunds"]
    assert [each.parameters["limit"] for each in pages] == ["100"] * 3


def test_the_oldest_of_many_disputes_is_found(provider, account, paid):
    first = provider.dispute(paid.checkout_id, "lost", amount=TOTAL // 5)
    for _ in range(100):
        provider.dispute(paid.checkout_id, "warning_closed")
    settling.reconcile(payment_pk=paid.pk, now=now())
    assert Dispute.objects.get(dispute_id=first["data"]["object"]["id"]).status == "lost"
    assert (Dispute.objects.count(), balance_of(account)) == (101, 400)


def test_a_list_whose_second_page_fails_changes_nothing(provider, account, paid):
    for _ in range(101):
        provider.refund(paid.checkout_id, 100)
    # the checkout, the first page, and then an outage
    provider.faults = ["", "", *["500"] * (1 + stripe.NETWORK_RETRIES)]
    with pytest.raises(GatewayError):
        settling.reconcile(payment_pk=paid.pk, now=now())
    assert (Refund.objects.count(), balance_of(account)) == (0, 500)
