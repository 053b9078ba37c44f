"""The fault harness in short, and that it would notice: `make faults` is the long run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing import ledger
from billing.ledger import NewGrant, Posting, references
from billing.models import GrantSource, Kind
from billing.payments.settling import reconcile
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments.purchases import begin, now
from tests.dashboard.sandbox.customer import pay
from tests.faults.buyers import Diary
from tests.faults.outcome import unsettled, violations

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS_MAX = 400


@pytest.mark.own_servers
@pytest.mark.xdist_group("stack")
def test_no_payment_is_lost_or_doubled_while_everything_breaks():
    """A few top-ups, each kind of fault once."""
    output = output_of("tests.faults.run", "--top-ups=8", "--seed=1", "--pause=0", "--hanging=1")
    assert "| top-ups begun | 8 |" in output
    assert "| audit_ledger | clean |" in output


def output_of(*command):
    """What a module prints that must end well; it ends what it started, also when stopped."""
    run = subprocess.Popen(
        [sys.executable, "-m", *command],
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
    return output


# ── Controls: what the run must not overlook ──────────────────────────────────────────────────
@pytest.fixture
def paid(account):
    """A payment that the provider's books have, and ours do not know of."""
    payment = begin(account)
    pay(payment)
    return payment


def credit(payment, at=None):
    reconcile(payment_pk=payment.pk, now=at or now())


def credit_again(payment, reference):
    posting = Posting(
        account_id=payment.top_up.account_id,
        kind=Kind.TOP_UP,
        credits=payment.top_up.credits,
        reference=references.of_top_up(reference),
        occurred_at=now(),
        top_up_id=payment.top_up_id,
        grant=NewGrant(GrantSource.TOP_UP, None),
    )
    ledger.post_one(posting=posting, posted_at=now())


@pytest.mark.django_db
def test_a_payment_that_was_credited_once_is_no_violation(paid):
    credit(paid)
    assert (unsettled(), list(violations(Diary()))) == ("", [])


@pytest.mark.django_db
def test_a_payment_that_was_not_credited_is_a_violation(paid):
    assert unsettled() == "1 payments not credited"
    number = paid.top_up.receipt_number
    assert f"{number} was paid and is credited 0 times" in list(violations(Diary()))


@pytest.mark.django_db
@pytest.mark.broken_ledger
def test_a_payment_that_was_credited_twice_is_a_violation(paid):
    credit(paid)
    credit_again(paid, "again")
    assert list(violations(Diary())) == [
        "the ledger has top-up:again, which is no top-up",
        f"{paid.top_up.account.slug} paid for 500 credits and got 1000",
    ]


@pytest.mark.django_db
def test_credits_that_nobody_paid_for_are_a_violation(paid):
    credit(paid)
    SandboxCheckout.objects.update(status="failed")
    number = paid.top_up.receipt_number
    assert f"{number} was not paid and is credited 1 times" in list(violations(Diary()))


@pytest.mark.django_db
def test_a_refund_that_was_not_heard_of_is_a_violation(paid):
    credit(paid)
    books = SandboxCheckout.objects.get()
    gateway.refund_payment(checkout=books, amount_minor=books.amount_minor)
    assert unsettled() == "1 refunds and disputes not known"
    said = f"of the payment {books.payment_id} 500 credits are to be taken, and 0 were"
    assert said in list(violations(Diary()))


@pytest.mark.django_db
def test_a_purchase_that_was_begun_twice_is_a_violation(account):
    for _ in range(2):
        begin(account)
    [found] = violations(Diary())
    assert found == f"{account.slug} began 2 purchases of 500 credits and meant one"


@pytest.mark.django_db
def test_a_payment_that_the_provider_forgot_is_a_violation(account):
    diary = Diary()
    payment = begin(account)
    diary.paid(payment.checkout_id)
    assert list(violations(diary)) == [
        f"the provider took a payment for {payment.checkout_id} and says open"
    ]


@pytest.mark.django_db
def test_a_payment_that_comes_late_is_waited_for(account):
    payment = begin(account)
    late = gateway.Decision.PAY_LATE
    gateway.decide(checkout_id=payment.checkout_id, decision=late, now=now())
    assert unsettled() == "1 late payments not made"
