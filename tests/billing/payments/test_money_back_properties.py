"""Refunds and disputes in any order, with reports that are lost, repeated and late, and clocks that
differ: after asking, the end is a function of the provider's last state."""

from datetime import timedelta

from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import Payment
from billing.payments.gateways import DisputeStatus, RefundStatus, gateway_named
from billing.payments.settling import reconcile, settle
from billing.plans import movements
from dashboard.sandbox.models import SandboxCheckout, SandboxDispute, SandboxRefund
from tests.billing.payments.purchases import (
    balance_of,
    begin,
    checkout_facts,
    dispute_facts,
    now,
    refund_facts,
    standing_of,
)
from tests.dashboard.sandbox.customer import pay
from tests.factories import AccountFactory
from tests.movements import NOW, call, goodwill, post
from tests.properties import examples

TOTAL = 599_900
CREDITS = 500
amounts = st.integers(1, TOTAL) | st.just(TOTAL)
happenings = st.one_of(
    st.tuples(st.just("refund"), amounts, st.sampled_from(["pending", "succeeded", "odd"])),
    st.tuples(
        st.just("refund again"),
        st.integers(0, 3),
        st.sampled_from(["pending", "succeeded", "failed", "cancelled"]),
    ),
    st.tuples(st.just("dispute"), amounts, st.sampled_from(["open", "inquiry", "odd"])),
    st.tuples(
        st.just("dispute again"),
        st.integers(0, 3),
        st.sampled_from(["open", "won", "lost", "prevented"]),
    ),
    st.tuples(st.just("reinstate"), st.integers(0, 3), amounts),
    # Somebody tells what was true at some moment: 0 the newest, maybe again.
    st.tuples(st.just("report"), st.integers(0, 8), st.integers(-3, 3)),
    st.tuples(st.just("ask"), st.just(0), st.integers(-3, 3)),
)


class Provider:
    """The sandbox's books of one payment, and all that was ever true of its reversals."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        self.told: list[object] = []
        self.books = SandboxCheckout.objects.get(checkout_id=payment.checkout_id)

    def happen(self, kind: str, value: int, more: object) -> None:
        """Change the books, report, or have us ask."""
        refunds, disputes = list(self.books.refunds.all()), list(self.books.disputes.all())
        if kind == "refund":
            SandboxRefund.objects.create(
                checkout=self.books,
                refund_id=f"r{len(refunds)}-{self.books.pk}"[:64],
                amount_minor=value,
                status=str(more),
            )
        elif kind == "dispute":
            SandboxDispute.objects.create(
                checkout=self.books,
                dispute_id=f"d{len(disputes)}-{self.books.pk}"[:64],
                amount_minor=value,
                status=str(more),
                opened_at=now(),
            )
        elif kind == "refund again" and refunds:
            SandboxRefund.objects.filter(pk=refunds[value % len(refunds)].pk).update(status=more)
        elif kind == "dispute again" and disputes:
            found = disputes[value % len(disputes)]
            SandboxDispute.objects.filter(pk=found.pk).update(status=more)
        elif kind == "reinstate" and disputes:
            found = disputes[value % len(disputes)]
            returned = min(int(str(more)), found.amount_minor)
            SandboxDispute.objects.filter(pk=found.pk).update(returned_minor=returned)
        elif kind == "report" and self.told:
            facts = self.told[-1 - value % len(self.told)]
            at = now() + timedelta(seconds=int(str(more)))
            settle(payment_pk=self.payment.pk, facts=facts, now=at)  # type: ignore[arg-type]
        elif kind == "ask":
            at = now() + timedelta(seconds=int(str(more)))
            reconcile(payment_pk=self.payment.pk, now=at)
        self._remember()

    def _remember(self) -> None:
        sandbox = gateway_named("sandbox")
        self.told += sandbox.fetch_refunds(self.books.payment_id)
        self.told += sandbox.fetch_disputes(self.books.payment_id)

    @property
    def gone_minor(self) -> int:
        """What of the money is gone by the books, in the rule's own words."""
        gone = 0
        for refund in self.books.refunds.all():
            gone += refund.amount_minor if refund.status in ("pending", "succeeded") else 0
        for dispute in self.books.disputes.all():
            if dispute.status in ("open", "odd"):  # a word that nobody knows holds the money
                gone += dispute.amount_minor
            if dispute.status == "lost":
                gone += dispute.amount_minor - dispute.returned_minor
        return min(gone, TOTAL)


class AnyOrder(TestCase):
    """What a provider does and tells, in any order."""

    @given(happened=st.lists(happenings, max_size=14))
    @examples(25)
    def test_the_end_is_a_function_of_the_providers_last_state(self, happened):
        account = AccountFactory()
        payment = begin(account, at=now() - timedelta(minutes=1))
        pay(payment)
        payment = reconcile(payment_pk=payment.pk, now=now())
        provider = Provider(payment)
        for kind, value, more in happened:
            provider.happen(kind, value, more)
        reconcile(payment_pk=payment.pk, now=now())
        gone_minor = provider.gone_minor
        assert standing_of(payment).money.gone_minor == gone_minor
        assert balance_of(account) == CREDITS - CREDITS * gone_minor // TOTAL


reports = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(1, TOTAL),
        st.sampled_from([RefundStatus.SUCCEEDED, RefundStatus.FAILED]),
    ),
    max_size=10,
)


def _refund(number, amount_minor, status):
    return lambda payment: refund_facts(
        payment, amount_minor, refund_id=f"refund_{number}", status=status
    )


def _dispute(number, amount_minor, status):
    return lambda payment: dispute_facts(
        payment, amount_minor, dispute_id=f"dispute_{number}", status=status
    )


_numbers = st.integers(0, 1)
_amounts = st.sampled_from([TOTAL // 5, TOTAL // 2])
reversals = st.one_of(
    st.builds(
        _refund, _numbers, _amounts, st.sampled_from([RefundStatus.SUCCEEDED, RefundStatus.FAILED])
    ),
    st.builds(
        _dispute,
        _numbers,
        _amounts,
        st.sampled_from([DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST]),
    ),
)


class Expired(TestCase):
    """What a provider tells after a part of the credits was used and the rest has expired."""

    @given(told=reports, used=st.integers(0, CREDITS), other=st.integers(1, 300))
    @examples(25)
    def test_the_end_is_a_function_of_the_refunds_that_stand(self, told, used, other):
        account = AccountFactory()
        payment = begin(account, at=NOW)
        settle(payment_pk=payment.pk, facts=checkout_facts(payment, paid_at=NOW), now=NOW)
        post(call(account, "a", used, NOW), at=NOW)
        later = NOW + timedelta(days=367)
        post(goodwill(account, other), at=later)
        standing = {}
        for number, amount_minor, status in told:
            refund_id = f"refund_{number}"
            facts = refund_facts(payment, amount_minor, refund_id=refund_id, status=status)
            settle(payment_pk=payment.pk, facts=facts, now=later)
            is_standing = status is RefundStatus.SUCCEEDED
            standing[refund_id] = amount_minor if is_standing else 0
        due = CREDITS * min(sum(standing.values()), TOTAL) // TOTAL
        assert balance_of(account) == other - max(0, due - (CREDITS - used))

    @given(
        before=st.lists(reversals, max_size=2),
        told=st.lists(reversals, max_size=5),
        used=st.sampled_from([0, 100, CREDITS]),
        order=st.randoms(use_true_random=False),
    )
    @examples(25)
    def test_the_end_does_not_depend_on_what_was_told_meanwhile(self, before, told, used, order):
        """What is taken before the rest expires may come back later, and be taken again."""
        account = AccountFactory()
        payment = begin(account, at=NOW)
        settle(payment_pk=payment.pk, facts=checkout_facts(payment, paid_at=NOW), now=NOW)
        post(call(account, "a", used, NOW), at=NOW)
        for facts in before:
            settle(payment_pk=payment.pk, facts=facts(payment), now=NOW + timedelta(days=1))
        later = NOW + timedelta(days=367)
        movements.bring_up_to_date(account=account, now=later)
        last = {}
        for read in told:
            facts = read(payment)
            last[getattr(facts, "refund_id", None) or facts.dispute_id] = facts
        ends = set()
        for way in ([read(payment) for read in told], order.sample([*last.values()], len(last))):
            with transaction.atomic():
                for facts in way:
                    settle(payment_pk=payment.pk, facts=facts, now=later)
                ends.add(balance_of(account))
                transaction.set_rollback(True)
        assert len(ends) == 1
