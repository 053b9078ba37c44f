"""Everybody who may learn of a payment does, at the same moment, in processes of their own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db.models import Count

from billing.models import LedgerEntry, Payment, PaymentEvent, TopUpState
from tests.billing.payments.purchases import balance_of, begin, now, state_of
from tests.child import child_environment
from tests.dashboard.sandbox.customer import event, pay

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("return_page", "first_webhook", "second_webhook", "sweeper")
START_TOGETHER_SECONDS = 0.02


class Crowd:
    """The processes; they live as long as this module's tests."""

    def __init__(self, environment):
        self.processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.billing.payments.settling", part],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for part in PARTS
        ]
        assert self.answers() == ["ready"] * len(PARTS)

    def settle(self, payment, *, without=()):
        """Have all of them settle one payment at once; return what each says."""
        events = [
            PaymentEvent.objects.create(
                gateway="sandbox",
                event_id=f"event_{payment.pk}_{number}",
                event_type="checkout.paid",
                payload=event(payment),
                received_at=now(),
            ).pk
            for number in range(2)
        ]
        at = time.time() + START_TOGETHER_SECONDS
        job = {"payment": payment.pk, "events": events, "at": at, "without": list(without)}
        for process in self.processes:
            assert process.stdin
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        return self.answers()

    def answers(self):
        return [
            str(process.stdout and process.stdout.readline()).strip() for process in self.processes
        ]

    def leave(self):
        for process in self.processes:
            process.communicate(timeout=30)


@pytest.fixture(scope="module")
def crowd(django_db_setup):
    crowd = Crowd(child_environment(LOG_LEVEL="ERROR"))
    yield crowd
    crowd.leave()


@pytest.fixture
def paid_payments(default_packs, account):
    """Makes so many purchases that were paid at the provider, of which we know nothing yet."""

    def make(number):
        made = [begin(account, credits=100) for _ in range(number)]
        for payment in made:
            pay(payment)
        return made

    return make


def credits_of_each(account):
    """How often each top-up was credited, the most first."""
    times = (
        LedgerEntry.objects.filter(account=account, kind="top_up")
        .values("top_up")
        .annotate(times=Count("pk"))
    )
    return sorted((row["times"] for row in times), reverse=True)


def test_all_at_once_credit_each_top_up_once(crowd, paid_payments, account):
    for payment in paid_payments(20):
        answers = crowd.settle(payment)
        assert [answer for answer in answers if not answer.startswith("did ")] == []
    assert credits_of_each(account) == [1] * 20
    assert balance_of(account) == 2_000
    assert {state_of(payment) for payment in Payment.objects.all()} == {TopUpState.CREDITED}
    assert not PaymentEvent.objects.filter(processed_at=None).exists()


@pytest.mark.broken_ledger
@pytest.mark.parametrize("missing", ["lock", "reference"])
def test_each_of_the_two_guards_alone_is_enough(crowd, paid_payments, account, missing):
    for payment in paid_payments(5):
        crowd.settle(payment, without=[missing])
    assert credits_of_each(account) == [1] * 5


@pytest.mark.broken_ledger
def test_without_both_guards_top_ups_are_credited_again(crowd, paid_payments, account):
    """The control: the same work, and the test above would fail, if not at once."""
    for _ in range(10):
        for payment in paid_payments(5):
            crowd.settle(payment, without=["lock", "reference"])
        if credits_of_each(account)[0] > 1:
            return
    pytest.fail("No top-up was credited twice.")
