"""Money that goes back takes its part of the credits, whatever is said in which order."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import transaction

from billing.models import CreditGrant, LedgerEntry, Plan, TopUp, TopUpPricing, TopUpState
from billing.payments.gateways import DisputeStatus, RefundStatus
from billing.payments.settling import settle
from billing.plans import movements
from billing.plans.subscriptions import subscribe
from tests.billing.payments.purchases import (
    balance_of,
    begin,
    checkout_facts,
    dispute_facts,
    now,
    refund_facts,
    review_of,
    standing_of,
    state_of,
)
from tests.movements import NOW, call, goodwill, post

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TOTAL = 7_900
PART = 3_000


@pytest.fixture
def paid(account):
    """500 credits, bought for 79.00 and paid at `NOW`."""
    payment = begin(account, at=NOW)
    TopUp.objects.update(price_minor=TOTAL)
    return tell(payment, checkout_facts(fresh(payment), paid_at=NOW))


def fresh(payment):
    return type(payment).objects.select_related("top_up").get(pk=payment.pk)


def tell(payment, *facts, at=NOW):
    """Settle each of the facts in order."""
    for each in facts:
        payment = settle(payment_pk=payment.pk, facts=each, now=at)
    return payment


def ledger(account):
    entries = LedgerEntry.objects.filter(account=account).order_by("seq")
    return list(entries.values_list("kind", "credits"))


@contextmanager
def undone():
    """Undo what the block does to the database."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def lost(payment, amount=TOTAL, **more):
    return dispute_facts(payment, amount, status=DisputeStatus.LOST, **more)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_refund_and_a_lost_dispute_of_which_as_much_came_back_leave_nothing(paid, account, order):
    last = lost(paid, returned_minor=PART)
    said = [refund_facts(paid, PART), dispute_facts(paid, TOTAL), lost(paid)]
    tell(paid, *(said[number] for number in order), last)
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.REFUNDED)


def test_what_of_a_lost_dispute_came_back_keeps_its_credits(paid, account):
    tell(paid, lost(paid), lost(paid, returned_minor=PART))
    assert (balance_of(account), state_of(paid)) == (190, TopUpState.PARTLY_REFUNDED)


def test_a_won_dispute_gives_all_back(paid, account):
    tell(paid, dispute_facts(paid, TOTAL))
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.DISPUTED)
    tell(paid, dispute_facts(paid, TOTAL, status=DisputeStatus.WON))
    assert (balance_of(account), state_of(paid)) == (500, TopUpState.CREDITED)


def test_funds_that_move_while_a_dispute_is_open_decide_nothing(paid, account):
    tell(paid, dispute_facts(paid, TOTAL, returned_minor=TOTAL))
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.DISPUTED)


@pytest.mark.parametrize("status", [DisputeStatus.INQUIRY, DisputeStatus.PREVENTED])
def test_an_inquiry_and_a_prevented_dispute_take_nothing(paid, account, status):
    tell(paid, dispute_facts(paid, TOTAL, status=status))
    assert (balance_of(account), state_of(paid)) == (500, TopUpState.CREDITED)


def test_the_newest_answer_counts_also_where_a_won_dispute_is_lost_on_appeal(paid, account):
    won = dispute_facts(paid, TOTAL, status=DisputeStatus.WON)
    appeal = dispute_facts(paid, TOTAL, provider_status="appeal_under_review")
    tell(paid, dispute_facts(paid, TOTAL), won, appeal)
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.DISPUTED)
    tell(paid, lost(paid))
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.REFUNDED)
    tell(paid, won)
    assert (balance_of(account), state_of(paid)) == (500, TopUpState.CREDITED)


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (RefundStatus.PENDING, 0),
        (RefundStatus.SUCCEEDED, 0),
        (RefundStatus.FAILED, 500),
        (RefundStatus.CANCELLED, 500),
        (RefundStatus.UNKNOWN, 500),
    ],
)
def test_only_a_refund_that_stands_takes_credits(paid, account, status, left):
    tell(paid, refund_facts(paid, TOTAL, status=status))
    assert balance_of(account) == left


def test_a_refund_that_fails_later_gives_its_credits_back(paid, account):
    tell(paid, refund_facts(paid, TOTAL, status=RefundStatus.PENDING))
    failed = refund_facts(paid, TOTAL, status=RefundStatus.FAILED, failure_reason="Card closed")
    tell(paid, failed)
    assert (balance_of(account), standing_of(paid).refund_failure) == (500, "Card closed")


def test_refunds_are_counted_by_their_id_however_often_they_are_told(paid, account):
    first, second = refund_facts(paid, 1_580), refund_facts(paid, 1_580, refund_id="refund_2")
    tell(paid, first, second, first, first, second)
    assert (balance_of(account), standing_of(paid).money.refunded_minor) == (300, 3_160)


@pytest.mark.parametrize("skew", [timedelta(seconds=-3), timedelta(seconds=3), -400 * DAY])
def test_clocks_that_differ_change_nothing(paid, account, skew):
    tell(paid, refund_facts(paid, 1_580))
    tell(paid, refund_facts(paid, TOTAL - 1_580, refund_id="refund_2"), at=NOW + skew)
    assert (balance_of(account), state_of(paid)) == (0, TopUpState.REFUNDED)


def test_more_than_was_paid_does_not_take_more_credits(paid, account):
    tell(paid, refund_facts(paid, TOTAL), dispute_facts(paid, TOTAL), lost(paid, dispute_id="d2"))
    assert (balance_of(account), standing_of(paid).money.paid_back_minor) == (0, TOTAL)


def test_a_refund_known_before_the_payment_credits_nothing(account):
    payment = begin(account)
    refund = refund_facts(payment, payment.top_up.total_minor)
    tell(payment, refund, checkout_facts(payment), refund, at=now())
    assert (balance_of(account), state_of(payment)) == (0, TopUpState.REFUNDED)


def test_a_reversal_in_another_currency_waits_for_an_operator(paid, account):
    tell(paid, refund_facts(paid, TOTAL, currency="USD"))
    assert (balance_of(account), review_of(paid)) == (
        500,
        "The provider reports USD, the top-up is in INR.",
    )


# ── Which credits, and for how long ───────────────────────────────────────────────────────────
def test_what_was_used_becomes_debt_and_its_own_grant_goes_first(paid, account):
    post(goodwill(account, 100), call(account, "a", 120, NOW), at=NOW)
    tell(paid, refund_facts(paid, TOTAL))
    assert balance_of(account) == 100 - 120
    assert [kind for kind, _ in ledger(account)].count("refund") == 1


def test_credits_that_come_back_last_as_long_as_they_had_left_when_they_were_taken(paid, account):
    end = CreditGrant.objects.get(account=account).expires_at
    assert end is not None
    tell(paid, dispute_facts(paid, TOTAL), at=NOW + 100 * DAY)
    tell(paid, dispute_facts(paid, TOTAL, status=DisputeStatus.WON), at=NOW + 160 * DAY)
    assert CreditGrant.objects.latest("seq").expires_at == end + 60 * DAY
    appealed = dispute_facts(paid, TOTAL, provider_status="appeal_needs_response")
    tell(paid, appealed, at=NOW + 200 * DAY)
    tell(paid, dispute_facts(paid, TOTAL, status=DisputeStatus.WON), at=NOW + 230 * DAY)
    assert CreditGrant.objects.latest("seq").expires_at == end + 90 * DAY
    assert balance_of(account) == 500


def test_a_second_dispute_takes_the_credits_that_came_back_before_others(paid, account):
    tell(paid, dispute_facts(paid, TOTAL))
    tell(paid, dispute_facts(paid, TOTAL, status=DisputeStatus.WON), at=NOW + DAY)
    post(goodwill(account, 50, expires_at=NOW + 9 * DAY), at=NOW + DAY)
    tell(paid, dispute_facts(paid, TOTAL, dispute_id="dispute_2"), at=NOW + 2 * DAY)
    left = CreditGrant.objects.filter(account=account).order_by("seq")
    assert list(left.values_list("source", "remaining")) == [
        ("top_up", 0),
        ("top_up", 0),
        ("adjustment", 50),
    ]


def test_credits_that_expired_are_not_taken_again(paid, account):
    post(call(account, "a", 100, NOW), at=NOW)
    later = NOW + 367 * DAY
    tell(paid, refund_facts(paid, TOTAL), at=later)
    assert balance_of(account) == -100


AFTER = NOW + 367 * DAY  # the 12 months of what was bought
TENTH = TOTAL // 10


@pytest.fixture
def used(paid, account):
    """The same, 100 of the 500 credits used before the other 400 expire."""
    post(call(account, "a", 100, NOW), at=NOW)
    return paid


def refunds_of(payment, *tenths):
    """Refunds of so many tenths of the payment."""
    return [
        refund_facts(payment, part * TENTH, refund_id=f"refund_{number}")
        for number, part in enumerate(tenths)
    ]


def brought_up_to(account, at):
    """Have everything expire that does until ``at``."""
    movements.bring_up_to_date(account=account, now=at)


@pytest.mark.parametrize(
    ("tenths", "left"),
    [((5,), 0), ((8,), 0), ((9,), -50), ((10,), -100), ((2, 3), 0), ((5, 4), -50), ((5, 5), -100)],
)
def test_refunds_take_the_same_before_and_after_credits_expire(used, account, tenths, left):
    told = refunds_of(used, *tenths)
    for before in range(len(told) + 1):
        with undone():
            tell(used, *told[:before], at=NOW + DAY)
            brought_up_to(account, AFTER)
            tell(used, *told[before:], *told, at=AFTER)
            assert balance_of(account) == left


def test_other_credits_do_not_stand_in_for_expired_ones(used, account):
    post(goodwill(account, 70), at=AFTER)
    tell(used, *refunds_of(used, 8), at=AFTER)
    assert balance_of(account) == 70
    tell(used, *refunds_of(used, 8, 1), at=AFTER)
    assert balance_of(account) == 20


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("other", [0, 200])
def test_a_refund_that_fails_after_credits_expired_leaves_what_the_others_take(
    used, account, order, other
):
    if other:
        post(goodwill(account, other), at=AFTER)
    told = [*refunds_of(used, 5, 4), refund_facts(used, 5 * TENTH, status=RefundStatus.FAILED)]
    told[2] = replace(told[2], refund_id=told[0].refund_id)
    tell(used, *(told[number] for number in order), told[2], told[1], at=AFTER)
    assert balance_of(account) == other


def test_credits_of_others_that_returned_do_not_stand_in_for_expired_ones(used, account):
    post(goodwill(account, 70), at=AFTER)
    whole, part = refunds_of(used, 8, 1)
    failed = replace(part, status=RefundStatus.FAILED)
    for told, left in ((whole, 70), (part, 20), (failed, 70), (part, 20), (failed, 70)):
        tell(used, told, told, at=AFTER)
        assert balance_of(account) == left


def test_a_refund_that_fails_after_the_rest_expired_gives_back_what_it_took(used, account):
    first, second = refunds_of(used, 3, 7)
    tell(used, first, at=NOW + DAY)
    brought_up_to(account, AFTER)
    tell(used, second, at=AFTER)
    assert balance_of(account) == -100
    failed = RefundStatus.FAILED
    tell(used, *(replace(second, status=failed) for _ in range(2)), at=AFTER)
    assert balance_of(account) == 0
    tell(used, *(replace(first, status=failed) for _ in range(2)), at=AFTER)
    assert balance_of(account) == 150


def test_a_dispute_won_in_part_after_credits_expired_gives_back_only_what_it_took(used, account):
    tell(used, dispute_facts(used, TOTAL), at=AFTER)
    assert balance_of(account) == -100
    tell(used, lost(used, returned_minor=TENTH), at=AFTER)
    assert balance_of(account) == -50
    tell(used, dispute_facts(used, TOTAL, status=DisputeStatus.WON), at=AFTER)
    assert balance_of(account) == 0


@pytest.mark.parametrize(("tenths", "left"), [(3, 100), (5, 0), (7, 0), (9, -50), (10, -100)])
def test_a_refund_takes_credits_that_came_back_after_the_rest_had_expired(
    used, account, tenths, left
):
    tell(used, dispute_facts(used, 5 * TENTH), at=NOW + DAY)
    brought_up_to(account, AFTER)
    won = dispute_facts(used, 5 * TENTH, status=DisputeStatus.WON)
    refund = refunds_of(used, tenths)[0]
    for told in ([won, refund, won, refund], [refund, won, refund, won]):
        with undone():
            tell(used, *told, at=AFTER)
            assert balance_of(account) == left


def test_credits_taken_after_their_end_come_back_for_a_year(paid, account):
    post(call(account, "a", 100, NOW), at=NOW)
    later = NOW + 367 * DAY
    tell(paid, dispute_facts(paid, TOTAL), at=later)
    post(goodwill(account, 100), at=later)
    tell(paid, dispute_facts(paid, TOTAL, status=DisputeStatus.WON), at=later)
    grant = CreditGrant.objects.latest("seq")
    assert (balance_of(account), grant.remaining) == (100, 100)
    assert grant.expires_at is not None
    assert grant.expires_at > later + 364 * DAY


def test_what_is_due_in_the_account_is_done_before_credits_are_taken(account):
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=NOW)
    TopUpPricing.objects.get(currency="INR")
    payment = begin(account, at=NOW)
    tell(payment, checkout_facts(payment, paid_at=NOW))
    total = payment.top_up.total_minor
    tell(payment, refund_facts(payment, total), at=NOW + 32 * DAY)
    kinds = [kind for kind, _ in ledger(account)]
    assert kinds == ["plan_credits", "top_up", "plan_credits", "expiry", "refund"] or kinds == [
        "plan_credits",
        "top_up",
        "expiry",
        "plan_credits",
        "refund",
    ]
    assert balance_of(account) == 1_500
