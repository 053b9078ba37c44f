"""What becomes of a top-up, as its page, the list and the receipt tell it."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import LedgerEntry, Payment, Review, TopUpPricing, TopUpState
from billing.payments import buying, pricing, refunds, settling
from billing.payments.gateways import DisputeStatus, GatewayError, PaymentStatus, RefundStatus
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments.purchases import (
    checkout_facts,
    dispute_facts,
    refund_facts,
    review_of,
    state_of,
)
from tests.dashboard.conftest import NOW, call, post
from tests.dashboard.top_up.test_top_up import decide, words

pytestmark = pytest.mark.usefixtures("now")

HTMX = {"HX-Request": "true"}
PART = re.compile(r'hx-get="([^"]+)" hx-trigger="(?:load delay:400ms, )?every (\d+)s"')


@pytest.fixture
def shop(client, owner):
    """The browser of the account's owner."""
    client.force_login(owner)
    return client


@pytest.fixture
def payment(account, owner):
    return begin(account, owner)


def begin(account, owner, credits=500, form_key="form"):
    return buying.start(
        account=account,
        user_id=owner.pk,
        email=owner.email,
        quoted=pricing.quote(account=account, credits=credits),
        form_key=form_key,
        return_url="http://testserver/{id}/",
        now=NOW,
    )


def paid(payment, *more, **changed):
    for facts in (checkout_facts(payment, **changed), *more):
        payment = settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    return payment


def review_pk(payment):
    return Review.objects.get(payment=payment, decision="").pk


def pay_late(payment):
    gateway.decide(
        checkout_id=payment.checkout_id,
        decision=gateway.Decision.PAY_LATE,
        now=NOW,
        late_by=timedelta(hours=1),
    )


def page_of(payment):
    return reverse(
        "dashboard:top_up_status", args=[payment.top_up.account.slug, payment.top_up.public_id]
    )


def look(shop, payment, **query):
    return shop.get(page_of(payment), query)


def looks_again(response):
    """The address that the page asks, and every how many seconds; None where it does not."""
    found = PART.search(response.content.decode())
    return (found[1].replace("&amp;", "&"), int(found[2])) if found else None


# ── Faces ─────────────────────────────────────────────────────────────────────────────────────
def test_waiting_for_payment_one_can_go_on_or_cancel(shop, payment):
    response = look(shop, payment)
    assert response.context["page"].face == "waiting"
    assert "We have not heard of a payment yet." in words(response)
    assert f'href="{payment.checkout_url}"' in response.content.decode()
    assert "Cancel this top-up" in words(response)


def test_back_from_paying_the_page_says_that_it_waits(shop, payment):
    response = look(shop, payment, returned="1")
    assert response.context["page"].face == "confirming"
    assert "Confirming your payment" in words(response)
    assert '<noscript><meta http-equiv="refresh"' in response.content.decode()


def test_back_without_paying_one_can_go_on_or_cancel(shop, payment):
    text = words(look(shop, payment, returned="cancelled"))
    assert "You left before paying" in text
    assert "Continue to payment Cancel this top-up" in text


def test_credits_that_have_come_are_there_with_receipt_and_row(shop, account, payment):
    post(call(account, "a", 120, NOW))
    paid(payment)
    response = look(shop, payment, returned="1")
    text = words(response)
    assert "500 credits added You now have 380 credits ." in text
    assert "valid until 23 Nov 2027" in text
    assert f"Receipt {payment.top_up.receipt_number}" in text
    log = shop.get(response.context["page"].log_url.removesuffix("#log"))
    assert [row.words for row in log.context["usage"].rows] == [
        f"Top-up of 500 credits, receipt {payment.top_up.receipt_number}"
    ]


def test_a_declined_payment_says_why_and_offers_the_same_again(shop, payment):
    decide(payment, "decline")
    response = look(shop, payment, returned="1")
    assert "The card was declined: insufficient funds." in words(response)
    again = shop.get(response.context["page"].try_again_url)
    assert again.context["quoted"].credits == 500


def test_a_pack_is_offered_again_as_a_pack(shop, account, owner):
    pack = pricing.packs_in("INR").get(credits=500)
    payment = buying.start(
        account=account,
        user_id=owner.pk,
        email=owner.email,
        quoted=pricing.quote(account=account, pack=pack),
        form_key="form",
        return_url="http://testserver/{id}/",
        now=NOW,
    )
    decide(payment, "decline")
    assert look(shop, payment).context["page"].try_again_url.endswith(f"?choice=pack-{pack.pk}")


def test_cancelled_says_that_nothing_was_charged(shop, payment):
    buying.cancel(payment=payment, now=NOW)
    assert "Cancelled, nothing was charged" in words(look(shop, payment, returned="cancelled"))


def test_expired_says_that_nothing_was_charged(shop, payment, stop_clock):
    later = NOW + timedelta(hours=1)
    stop_clock(later)
    settling.reconcile(payment_pk=payment.pk, now=later)
    assert "Expired, nothing was charged" in words(look(shop, payment))


def test_a_payment_that_does_not_fit_is_being_checked_without_our_reasons(shop, payment):
    paid(payment, amount_minor=1)
    text = words(look(shop, payment, returned="1"))
    assert "We are checking your payment" in text
    assert review_of(payment)
    assert review_of(payment) not in text
    assert "Cancel" not in text


def test_a_payment_that_is_checked_is_neither_waited_for_nor_cancelled(shop, payment):
    paid(payment, amount_minor=1)
    assert "waiting for payment" not in words(shop.get(reverse("dashboard:top_up", args=["acme"])))
    response = shop.post(page_of(payment))
    assert response.status_code == 409
    assert "can’t be cancelled: a payment for it was reported" in words(response)
    payment.refresh_from_db()
    assert (payment.status, payment.ended_at) == ("open", None)


def test_the_receipt_of_another_amount_adds_up(shop, payment):
    paid(payment, amount_minor=2_000, currency="USD")
    refunds.accept(review_pk=review_pk(payment), reason="Agreed", by=None, now=NOW)
    text = words(shop.get(reverse("dashboard:receipt", args=["acme", payment.top_up.public_id])))
    assert "Ordered for INR 5,999 Total paid USD 20 what was received was accepted in its" in text
    assert "Net" not in text
    assert "USD 20" in words(shop.get(reverse("dashboard:top_ups", args=["acme"])))


def test_the_receipt_of_what_was_refunded_before_it_was_credited_says_so(shop, payment):
    settling.settle(
        payment_pk=payment.pk, facts=refund_facts(payment, payment.top_up.total_minor), now=NOW
    )
    paid(payment)
    text = words(shop.get(reverse("dashboard:receipt", args=["acme", payment.top_up.public_id])))
    assert "500 credits, never added, as it was refunded before" in text


def test_a_payment_on_its_way_says_so_on_every_page_of_it(shop, payment):
    pay_late(payment)
    settling.reconcile(payment_pk=payment.pk, now=NOW)
    for returned in ({}, {"returned": "1"}):
        response = look(shop, payment, **returned)
        assert response.context["page"].face == "processing"
        text = words(response)
        assert "Your payment is on its way" in text
        assert "can take some days" in text
        assert "Continue to payment" not in text
        assert "Cancel" not in text


def test_what_an_operator_closed_says_that_and_why(shop, payment):
    paid(payment, amount_minor=1)
    refunds.close(review_pk=review_pk(payment), reason="It was a test", by=None, now=NOW)
    text = words(look(shop, payment))
    assert "Closed without credits" in text
    assert "Reason: It was a test" in text


def test_what_was_accepted_shows_what_was_received(shop, payment):
    paid(payment, amount_minor=100_000)
    refunds.accept(review_pk=review_pk(payment), reason="Agreed", by=None, now=NOW)
    text = words(look(shop, payment))
    assert "500 credits added" in text
    assert "Received INR 1,000 Credited all the same: Agreed" in text
    assert "Total paid INR 1,000" in words(receipt_of(shop, payment))


def test_a_disputed_payment_is_not_said_to_be_paid_back(shop, payment):
    paid(payment)
    facts = dispute_facts(payment, payment.top_up.total_minor)
    settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    text = words(look(shop, payment))
    assert "The payment is disputed INR 5,999 of this payment is disputed" in text
    receipt = words(receipt_of(shop, payment))
    assert "Disputed INR 5,999 held by the bank" in receipt
    for page in (text, receipt):
        assert "paid back" not in page
        assert "Refunded" not in page


def test_refunded_says_how_much_and_why(shop, payment):
    paid(payment)
    facts = refund_facts(payment, payment.top_up.total_minor, reason="Bought by mistake")
    settling.settle(payment_pk=payment.pk, facts=facts, now=NOW)
    text = words(look(shop, payment))
    assert "INR 5,999 was paid back, and its credits were taken off the balance" in text
    assert "Reason: Bought by mistake" in text


def test_a_part_that_was_paid_back_is_named(shop, payment):
    paid(payment, refund_facts(payment, 200_000))
    assert "INR 2,000 of this top-up was paid back." in words(look(shop, payment))


def test_a_page_that_did_not_open_can_be_tried_again(shop, payment):
    Payment.objects.filter(pk=payment.pk).update(checkout_url="", checkout_id="")
    text = words(look(shop, payment))
    assert "The payment page did not open" in text
    assert "Try again" in text


# ── Looking again ─────────────────────────────────────────────────────────────────────────────
def test_the_page_asks_every_second_at_first_and_then_less_often(shop, payment, stop_clock):
    address, seconds = looks_again(look(shop, payment, returned="1"))
    assert seconds == 1
    stop_clock(NOW + timedelta(seconds=31))
    response = shop.get(address, headers=HTMX)
    assert "has not confirmed it yet" in response.content.decode()
    address, seconds = looks_again(response)
    assert seconds == 5
    stop_clock(NOW + timedelta(minutes=6))
    assert looks_again(shop.get(address, headers=HTMX))[1] == 30


def test_there_is_no_answer_while_nothing_is_new(shop, payment):
    address, _ = looks_again(look(shop, payment, returned="1"))
    response = shop.get(address, headers=HTMX)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Cache-Control"] == "no-store"


def test_the_answer_brings_the_balance_with_the_credits(shop, payment):
    address, _ = looks_again(look(shop, payment, returned="1"))
    paid(payment)
    response = shop.get(address, headers=HTMX)
    text = response.content.decode()
    assert "500 credits added" in text
    assert 'hx-swap-oob="innerHTML:.side .balance"' in text
    assert "data-live-balance>500<" in text
    assert looks_again(response) is None
    assert "<main" not in text


@pytest.mark.parametrize("since", ["", "x", "99999999999", "-1", "9" * 40])
def test_any_since_is_understood(shop, payment, since):
    assert look(shop, payment, returned="1", since=since).status_code == 200


# ── Asking the provider ───────────────────────────────────────────────────────────────────────
def test_coming_back_asks_the_provider_at_once(
    shop, payment, stop_clock, django_capture_on_commit_callbacks
):
    stop_clock(NOW + timedelta(minutes=1))
    with django_capture_on_commit_callbacks() as sent:
        look(shop, payment, returned="1")
    assert len(sent) == 1


def test_coming_back_asks_also_when_the_provider_answered_a_moment_before(
    shop, payment, stop_clock, django_capture_on_commit_callbacks
):
    a_moment_later = NOW + timedelta(milliseconds=200)
    stop_clock(a_moment_later)
    Payment.objects.update(checked_at=NOW)
    with django_capture_on_commit_callbacks() as sent:
        look(shop, payment, returned="1")
    assert len(sent) == 1


def test_a_page_that_waits_asks_again_every_four_seconds(
    shop, payment, stop_clock, django_capture_on_commit_callbacks
):
    address, _ = looks_again(look(shop, payment, returned="1"))
    asked = 0
    for second in range(1, 21):
        later = NOW + timedelta(seconds=second)
        stop_clock(later)
        with django_capture_on_commit_callbacks() as sent:
            shop.get(address, headers=HTMX)
        asked += len(sent)
        if sent:
            Payment.objects.update(checked_at=later)
    assert 3 <= asked <= 5


def test_only_who_comes_back_while_it_is_open_asks(
    shop, payment, stop_clock, django_capture_on_commit_callbacks
):
    stop_clock(NOW + timedelta(minutes=1))
    with django_capture_on_commit_callbacks() as sent:
        address, _ = looks_again(look(shop, payment))
        shop.get(address, headers=HTMX)
        look(shop, payment, returned="cancelled")
        paid(payment)
        look(shop, payment, returned="1")
    assert sent == []


# ── Cancelling ────────────────────────────────────────────────────────────────────────────────
def test_cancelling_closes_the_providers_page(shop, payment):
    response = shop.post(page_of(payment))
    assert response["Location"] == page_of(payment)
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert gateway.checkout_now(checkout_id=payment.checkout_id, now=NOW).status == "cancelled"


def test_cancelling_what_was_just_paid_shows_the_credits(shop, payment):
    gateway.decide(checkout_id=payment.checkout_id, decision=gateway.Decision.PAY, now=NOW)
    shop.post(page_of(payment))
    assert "500 credits added" in words(look(shop, payment))


def test_cancelling_what_is_over_changes_nothing(shop, payment):
    paid(payment)
    shop.post(page_of(payment))
    payment.refresh_from_db()
    assert state_of(payment) == TopUpState.CREDITED


def test_what_can_not_be_cancelled_says_why(shop, payment):
    pay_late(payment)
    for _ in range(2):
        response = shop.post(page_of(payment))
        assert response.status_code == 409
        assert "can’t be cancelled any more: a payment for it is on its way" in words(response)
        assert "Your payment is on its way" in words(response)
    paid(payment)
    assert "it has been paid" in words(shop.post(page_of(payment)))


class DeafGateway(gateway.SandboxGateway):
    """The sandbox with its network cut."""

    def cancel_checkout(self, checkout_id):
        raise GatewayError("No route to host")


def test_a_provider_that_can_not_be_told_leaves_it_open(shop, payment, settings, monkeypatch):
    monkeypatch.setitem(settings.PAYMENT_GATEWAYS, "sandbox", f"{__name__}.DeafGateway")
    response = shop.post(page_of(payment))
    assert response.status_code == 503
    assert "the payment page is still open" in words(response)
    assert "Cancel this top-up" in words(response)


# ── The list ──────────────────────────────────────────────────────────────────────────────────
LIST = "/a/acme/billing/top-ups/"


def test_an_account_without_top_ups_is_led_to_the_first(shop):
    assert "No top-ups yet" in words(shop.get(LIST))


@pytest.mark.parametrize("state", list(TopUpState))
def test_each_state_has_its_word_and_what_was_paid_its_receipt(shop, payment, state):
    bring_to(payment, state)
    assert state_of(payment) == state
    text = words(shop.get(LIST))
    assert f"23 Nov 2026, 18:00 500 INR 5,999 {state.label}" in text
    is_paid = state in ("credited", "disputed", "partly", "refunded", "paid")
    assert (payment.top_up.receipt_number in text) == is_paid


def bring_to(payment, state):
    """Let the provider and the operators bring a payment to ``state``."""
    total = payment.top_up.total_minor
    match state:
        case TopUpState.UNOPENED:
            Payment.objects.filter(pk=payment.pk).update(checkout_url="", checkout_id="")
        case TopUpState.CHECKING:
            paid(payment, checkout_id="another")
        case TopUpState.CLOSED:
            paid(payment, checkout_id="another")
            refunds.close(review_pk=review_pk(payment), reason="x", by=None, now=NOW)
        case TopUpState.PAID:  # while its refund is on its way
            paid(payment, checkout_id="another")
            Review.objects.update(decision="returned", decided_at=NOW)
            refund = refund_facts(payment, total, status=RefundStatus.UNKNOWN)
            Payment.objects.filter(pk=payment.pk).update(
                status="paid", paid_at=NOW, amount_minor=total, currency="INR"
            )
            settling.settle(payment_pk=payment.pk, facts=refund, now=NOW)
        case TopUpState.CREDITED:
            paid(payment)
        case TopUpState.DISPUTED:
            paid(payment, dispute_facts(payment, 1))
        case TopUpState.PARTLY_REFUNDED:
            paid(payment, refund_facts(payment, 1))
        case TopUpState.REFUNDED:
            paid(payment, refund_facts(payment, total))
        case TopUpState.PENDING:
            pass
        case _:
            paid(payment, status=PaymentStatus(state.value))


def test_the_list_takes_as_many_queries_for_many_as_for_one(shop, account, owner, payment):
    with CaptureQueriesContext(connection) as one:
        shop.get(LIST)
    for number in range(9):
        paid(begin(account, owner, credits=10 + number, form_key=f"form {number}"))
    with CaptureQueriesContext(connection) as ten:
        shop.get(LIST)
    assert len(ten) <= len(one) + 3


def test_the_list_is_paged_newest_first(shop, account, owner):
    for number in range(21):
        begin(account, owner, credits=10 + number, form_key=f"form {number}")
    assert "1–20 of 21" in words(shop.get(LIST))
    assert [each.credits for each in shop.get(LIST, {"page": 2}).context["page"]] == [10]


def test_the_list_holds_only_the_accounts_own(shop, payment, outsider, other_account):
    other = begin(other_account, outsider)
    assert other not in shop.get(LIST).context["page"]


# ── The receipt ───────────────────────────────────────────────────────────────────────────────
def receipt_of(shop, payment):
    return shop.get(reverse("dashboard:receipt", args=["acme", payment.top_up.public_id]))


def test_the_receipt_names_what_was_paid(shop, account, owner):
    TopUpPricing.objects.update(tax_name="GST", tax_basis_points=1_800)
    payment = paid(begin(account, owner))
    text = words(receipt_of(shop, payment))
    for said in (
        f"Receipt {payment.top_up.receipt_number}",
        "Buyer Acme Voice Paid on",
        "23 Nov 2026, 18:00",
        f"Payment reference {payment.payment_id}",
        "500 credits, valid until 23 Nov 2027",
        "Net INR 5,999 GST INR 1,079.82 Total paid INR 7,078.82",
    ):
        assert said in text
    assert "Refunded" not in text


def test_the_receipt_names_what_was_paid_back(shop, payment):
    paid(payment, refund_facts(payment, 200_000))
    text = words(receipt_of(shop, payment))
    assert "Refunded INR 2,000 Refunded on 23 Nov 2026, 18:00" in text
    assert "Paid after the refund INR 3,999" in text
    assert "valid until 23 Nov 2027" in text


def test_the_receipt_says_why_all_was_paid_back_and_promises_no_validity(shop, payment):
    settling.reconcile(payment_pk=decide(payment, "pay").pk, now=NOW)
    refunds.refund(payment_pk=payment.pk, reason="Bought twice by mistake", by=None, now=NOW)
    text = words(receipt_of(shop, payment))
    assert "Refunded INR 5,999 Refunded on 23 Nov 2026, 18:00" in text
    assert "Reason for the refund Bought twice by mistake" in text
    assert "valid until" not in text


def test_the_receipt_says_when_what_was_never_credited_was_paid_back(shop, payment):
    """No entry says so: no credits were taken."""
    SandboxCheckout.objects.update(amount_minor=299_900)
    decide(payment, "pay")
    refunds.return_received(review_pk=review_pk(payment), reason="Too little", by=None, now=NOW)
    text = words(receipt_of(shop, payment))
    assert "never added" in text
    assert "Refunded INR 2,999 Refunded on 23 Nov 2026, 18:00" in text


def test_what_is_disputed_is_not_said_to_be_valid(shop, payment):
    paid(payment, dispute_facts(payment, 599_900))
    text = words(receipt_of(shop, payment))
    assert "500 credits, off the balance until the bank has decided" in text
    assert "valid until" not in text


def test_credits_that_came_back_are_valid_as_long_as_their_grant_says(shop, payment):
    """The days of the dispute are added: 23 Nov 2027 is no longer their end."""
    paid(payment, dispute_facts(payment, 599_900))
    settling.settle(
        payment_pk=payment.pk,
        facts=dispute_facts(payment, 599_900, status=DisputeStatus.WON),
        now=NOW + timedelta(days=30),
    )
    for page in (receipt_of(shop, payment), look(shop, payment)):
        text = words(page)
        assert "valid until 23 Dec 2027" in text
        assert "23 Nov 2027" not in text


def test_the_receipt_of_the_sandbox_says_that_no_money_was_moved(shop, payment):
    assert "Paid through Sandbox, no money was moved" in words(receipt_of(shop, paid(payment)))


def test_there_is_no_receipt_for_what_was_not_paid(shop, payment):
    assert receipt_of(shop, payment).status_code == 404


# ── From the log ──────────────────────────────────────────────────────────────────────────────
def row_page(client, account, kind):
    entry = LedgerEntry.objects.get(account=account, kind=kind)
    return client.get(reverse("dashboard:row", args=["acme", entry.seq])).content.decode()


def test_the_rows_of_a_top_up_lead_to_it(shop, account, payment):
    paid(payment, refund_facts(payment, 200_000))
    for kind in ("top_up", "refund"):
        assert f'href="{page_of(payment)}"' in row_page(shop, account, kind)


def test_who_may_not_pay_is_not_led_there(client, member, account, payment):
    paid(payment)
    client.force_login(member)
    assert page_of(payment) not in row_page(client, account, "top_up")
