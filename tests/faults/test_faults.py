"""The fault harness in short, and that it would notice: `make faults` is the long run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing.models import SandboxCheckout, TopUp, TopUpState
from billing.plans import movements
from dashboard.sandbox import gateway
from tests.billing.payments.purchases import begin, now
from tests.dashboard.sandbox.customer import pay
from tests.faults.buyers import Diary
from tests.faults.outcome import unsettled, violations

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS_MAX = 400


@pytest.mark.broker
@pytest.mark.xdist_group("stack")
def test_no_payment_is_lost_or_doubled_while_everything_breaks():
    """Some two dozen top-ups, each kind of fault once."""
    run = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.run", "--top-ups=24", "--seed=1", "--pause=0.2"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if "PYTEST" not in name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = run.communicate(timeout=RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGTERM)  # it ends what it started
        output, _ = run.communicate()
    assert run.returncode == 0, output
    assert "| top-ups begun | 24 |" in output
    assert "| audit_ledger | clean |" in output


# ── Controls: what the run must not overlook ──────────────────────────────────────────────────
@pytest.fixture
def paid(account):
    """A top-up that the provider's books say is paid, and ours do not know of."""
    top_up = begin(account)
    pay(top_up)
    return top_up


def credit(top_up, reference=None):
    movements.credit_top_up(
        account=top_up.account,
        credits=top_up.credits,
        reference=reference or str(top_up.pk),
        remarks="",
        paid_at=now(),
        now=now(),
    )
    TopUp.objects.filter(pk=top_up.pk).update(
        state=TopUpState.CREDITED, paid_at=now(), credited_at=now()
    )


@pytest.mark.django_db
def test_a_payment_that_was_credited_once_is_no_violation(paid):
    credit(paid)
    assert (unsettled(), list(violations(Diary()))) == ("", [])


@pytest.mark.django_db
def test_a_payment_that_was_not_credited_is_a_violation(paid):
    assert unsettled() == "1 payments not credited"
    assert f"{paid.receipt_number} was paid and is credited 0 times" in list(violations(Diary()))


@pytest.mark.broken_ledger
@pytest.mark.django_db
def test_a_payment_that_was_credited_twice_is_a_violation(paid):
    credit(paid)
    credit(paid, reference="again")
    assert list(violations(Diary())) == [
        "the ledger has top-up:again, which is no top-up",
        f"{paid.account.slug} paid for 500 credits and got 1000",
    ]


@pytest.mark.django_db
def test_credits_that_nobody_paid_for_are_a_violation(paid):
    credit(paid)
    SandboxCheckout.objects.update(status="failed")
    assert f"{paid.receipt_number} was not paid and is credited 1 times" in list(
        violations(Diary())
    )


@pytest.mark.django_db
def test_a_purchase_that_was_begun_twice_is_a_violation(account):
    for _ in range(2):
        begin(account)
    [found] = violations(Diary())
    assert found == f"{account.slug} began 2 purchases of 500 credits and meant one"


@pytest.mark.django_db
def test_a_payment_that_the_provider_forgot_is_a_violation(account):
    diary = Diary()
    top_up = begin(account)
    diary.paid(top_up.checkout_id)
    assert list(violations(diary)) == [
        f"the provider took a payment for {top_up.checkout_id} and says open"
    ]


@pytest.mark.django_db
def test_a_payment_that_comes_late_is_waited_for(account):
    top_up = begin(account)
    late = gateway.Decision.PAY_LATE
    gateway.decide(checkout_id=top_up.checkout_id, decision=late, now=now())
    assert unsettled() == "1 late payments not made"
