"""What becomes of a top-up, as its page, the list and the receipt tell it."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from billing.models import LedgerEntry, TopUp, TopUpPricing, TopUpState
from billing.payments import buying, pricing, refunds, settling
from billing.payments.gateways import (
    Dispute,
    DisputeStatus,
    GatewayError,
    PaymentFacts,
    PaymentStatus,
)
from dashboard.sandbox import gateway
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
def top_up(account, owner):
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


def paid(top_up, **more):
    said = {
        "status": PaymentStatus.PAID,
        "payment_id": f"payment_{top_up.pk}",
        "amount_minor": top_up.total_minor,
        "currency": top_up.currency,
        **more,
    }
    return settling.settle(top_up_id=top_up.pk, facts=PaymentFacts(**said), now=NOW)


def pay_late(top_up):
    gateway.decide(
        checkout_id=top_up.checkout_id,
        decision=gateway.Decision.PAY_LATE,
        now=NOW,
        late_by=timedelta(hours=1),
    )


def page_of(top_up):
    return reverse("dashboard:top_up_status", args=[top_up.account.slug, top_up.public_id])


def look(shop, top_up, **query):
    return shop.get(page_of(top_up), query)


def looks_again(response):
    """The address that the page asks, and every how many seconds; None where it does not."""
    found = PART.search(response.content.decode())
    return (found[1].replace("&amp;", "&"), int(found[2])) if found else None


# ── Faces ─────────────────────────────────────────────────────────────────────────────────────
def test_waiting_for_payment_one_can_go_on_or_cancel(shop, top_up):
    response = look(shop, top_up)
    assert response.context["page"].face == "waiting"
    assert "We have not heard of a payment yet." in words(response)
    assert f'href="{top_up.checkout_url}"' in response.content.decode()
    assert "Cancel this top-up" in words(response)


def test_back_from_paying_the_page_says_that_it_waits(shop, top_up):
    response = look(shop, top_up, returned="1")
    assert response.context["page"].face == "confirming"
    assert "Confirming your payment" in words(response)
    assert '<noscript><meta http-equiv="refresh"' in response.content.decode()


def test_back_without_paying_one_can_go_on_or_cancel(shop, top_up):
    text = words(look(shop, top_up, returned="cancelled"))
    assert "You left before paying" in text
    assert "Continue to payment Cancel this top-up" in text


def test_credits_that_have_come_are_there_with_receipt_and_row(shop, account, top_up):
    post(call(account, "a", 120, NOW))
    paid(top_up)
    response = look(shop, top_up, returned="1")
    text = words(response)
    assert "500 credits added You now have 380 credits ." in text
    assert "valid until 23 Nov 2027" in text
    assert f"Receipt {top_up.receipt_number}" in text
    log = shop.get(response.context["page"].log_url.removesuffix("#log"))
    assert [row.words for row in log.context["usage"].rows] == [
        f"Top-up of 500 credits, receipt {top_up.receipt_number}"
    ]


def test_a_declined_payment_says_why_and_offers_the_same_again(shop, top_up):
    decide(top_up, "decline")
    response = look(shop, top_up, returned="1")
    assert "The card was declined: insufficient funds." in words(response)
    again = shop.get(response.context["page"].try_again_url)
    assert again.context["quoted"].credits == 500


def test_a_pack_is_offered_again_as_a_pack(shop, account, owner):
    pack = pricing.packs_in("INR").get(credits=500)
    top_up = buying.start(
        account=account,
        user_id=owner.pk,
        email=owner.email,
        quoted=pricing.quote(account=account, pack=pack),
        form_key="form",
        return_url="http://testserver/{id}/",
        now=NOW,
    )
    decide(top_up, "decline")
    assert look(shop, top_up).context["page"].try_again_url.endswith(f"?choice=pack-{pack.pk}")


def test_cancelled_says_that_nothing_was_charged(shop, top_up):
    buying.cancel(top_up=top_up, now=NOW)
    assert "Cancelled, nothing was charged" in words(look(shop, top_up, returned="cancelled"))


def test_expired_says_that_nothing_was_charged(shop, top_up, monkeypatch):
    later = NOW + timedelta(hours=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)
    settling.reconcile(top_up_id=top_up.pk, now=later)
    assert "Expired, nothing was charged" in words(look(shop, top_up))


def test_a_payment_that_does_not_fit_is_being_checked_without_our_reasons(shop, top_up):
    paid(top_up, amount_minor=1)
    top_up.refresh_from_db()
    text = words(look(shop, top_up, returned="1"))
    assert "We are checking your payment" in text
    assert top_up.parked_reason
    assert top_up.parked_reason not in text
    assert "Cancel" not in text


def test_a_payment_that_is_checked_is_neither_waited_for_nor_cancelled(shop, top_up):
    paid(top_up, amount_minor=1)
    assert "waiting for payment" not in words(shop.get(reverse("dashboard:top_up", args=["acme"])))
    response = shop.post(page_of(top_up))
    assert response.status_code == 409
    assert "can’t be cancelled: a payment for it was reported" in words(response)
    top_up.refresh_from_db()
    assert (top_up.state, top_up.cancelled_at) == (TopUpState.PENDING, None)


def test_the_receipt_of_another_amount_adds_up(shop, top_up):
    paid(top_up, amount_minor=2_000, currency="USD")
    refunds.accept(top_up_id=top_up.pk, reason="Agreed", now=NOW)
    text = words(shop.get(reverse("dashboard:receipt", args=["acme", top_up.public_id])))
    assert "Ordered for INR 8,000 Total paid USD 20 what was received was accepted in its" in text
    assert "Net" not in text
    assert "USD 20" in words(shop.get(reverse("dashboard:top_ups", args=["acme"])))


def test_the_receipt_of_what_was_refunded_before_it_was_credited_says_so(shop, top_up):
    paid(top_up, refunded_minor=top_up.total_minor)
    text = words(shop.get(reverse("dashboard:receipt", args=["acme", top_up.public_id])))
    assert "500 credits, never added, as it was refunded before" in text


def test_a_payment_on_its_way_says_so_on_every_page_of_it(shop, top_up):
    pay_late(top_up)
    settling.reconcile(top_up_id=top_up.pk, now=NOW)
    for returned in ({}, {"returned": "1"}):
        response = look(shop, top_up, **returned)
        assert response.context["page"].face == "processing"
        text = words(response)
        assert "Your payment is on its way" in text
        assert "can take some days" in text
        assert "Continue to payment" not in text
        assert "Cancel" not in text


def test_what_an_operator_closed_says_that_and_why(shop, top_up):
    paid(top_up, amount_minor=1)
    refunds.close(top_up_id=top_up.pk, reason="It was a test", now=NOW)
    text = words(look(shop, top_up))
    assert "Closed without credits" in text
    assert "Reason: It was a test" in text


def test_what_was_accepted_shows_what_was_received(shop, top_up):
    paid(top_up, amount_minor=100_000)
    refunds.accept(top_up_id=top_up.pk, reason="Agreed", now=NOW)
    text = words(look(shop, top_up))
    assert "500 credits added" in text
    assert "Received INR 1,000 Credited all the same: Agreed" in text
    assert "Total paid INR 1,000" in words(receipt_of(shop, top_up))


def test_a_disputed_payment_is_not_said_to_be_paid_back(shop, top_up):
    paid(top_up)
    dispute = Dispute(dispute_id="d", amount_minor=top_up.total_minor, status=DisputeStatus.OPEN)
    facts = PaymentFacts(status=PaymentStatus.OPEN, dispute=dispute)
    settling.settle(top_up_id=top_up.pk, facts=facts, now=NOW)
    text = words(look(shop, top_up))
    assert "The payment is disputed INR 8,000 of this payment is disputed" in text
    receipt = words(receipt_of(shop, top_up))
    assert "Disputed INR 8,000 held by the bank" in receipt
    for page in (text, receipt):
        assert "paid back" not in page
        assert "Refunded" not in page


def test_refunded_says_how_much_and_why(shop, top_up):
    paid(top_up)
    TopUp.objects.filter(pk=top_up.pk).update(
        state=TopUpState.REFUNDED,
        refunded_minor=top_up.total_minor,
        refund_reason="Bought by mistake",
        refunded_at=NOW,
    )
    text = words(look(shop, top_up))
    assert "INR 8,000 was paid back on 23 Nov 2026" in text
    assert "Reason: Bought by mistake" in text


def test_a_part_that_was_paid_back_is_named(shop, top_up):
    paid(top_up, refunded_minor=200_000)
    assert "INR 2,000 of this top-up was paid back." in words(look(shop, top_up))


def test_a_page_that_did_not_open_can_be_tried_again(shop, top_up):
    TopUp.objects.filter(pk=top_up.pk).update(checkout_url="", checkout_id="")
    text = words(look(shop, top_up))
    assert "The payment page did not open" in text
    assert "Try again" in text


# ── Looking again ─────────────────────────────────────────────────────────────────────────────
def test_the_page_asks_every_second_at_first_and_then_less_often(shop, top_up, monkeypatch):
    address, seconds = looks_again(look(shop, top_up, returned="1"))
    assert seconds == 1
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(seconds=31))
    response = shop.get(address, headers=HTMX)
    assert "has not confirmed it yet" in response.content.decode()
    address, seconds = looks_again(response)
    assert seconds == 5
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(minutes=6))
    assert looks_again(shop.get(address, headers=HTMX))[1] == 30


def test_there_is_no_answer_while_nothing_is_new(shop, top_up):
    address, _ = looks_again(look(shop, top_up, returned="1"))
    response = shop.get(address, headers=HTMX)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Cache-Control"] == "no-store"


def test_the_answer_brings_the_balance_with_the_credits(shop, top_up):
    address, _ = looks_again(look(shop, top_up, returned="1"))
    paid(top_up)
    response = shop.get(address, headers=HTMX)
    text = response.content.decode()
    assert "500 credits added" in text
    assert 'hx-swap-oob="innerHTML:.side .balance"' in text
    assert "data-live-balance>500<" in text
    assert looks_again(response) is None
    assert "<main" not in text


@pytest.mark.parametrize("since", ["", "x", "99999999999", "-1", "9" * 40])
def test_any_since_is_understood(shop, top_up, since):
    assert look(shop, top_up, returned="1", since=since).status_code == 200


# ── Asking the provider ───────────────────────────────────────────────────────────────────────
def test_coming_back_asks_the_provider_at_once(
    shop, top_up, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(minutes=1))
    with django_capture_on_commit_callbacks() as sent:
        look(shop, top_up, returned="1")
    assert len(sent) == 1


def test_coming_back_asks_also_when_the_provider_answered_a_moment_before(
    shop, top_up, monkeypatch, django_capture_on_commit_callbacks
):
    a_moment_later = NOW + timedelta(milliseconds=200)
    monkeypatch.setattr("django.utils.timezone.now", lambda: a_moment_later)
    TopUp.objects.update(checked_at=NOW)
    with django_capture_on_commit_callbacks() as sent:
        look(shop, top_up, returned="1")
    assert len(sent) == 1


def test_a_page_that_waits_asks_again_every_four_seconds(
    shop, top_up, monkeypatch, django_capture_on_commit_callbacks
):
    address, _ = looks_again(look(shop, top_up, returned="1"))
    asked = 0
    for second in range(1, 21):
        later = NOW + timedelta(seconds=second)
        monkeypatch.setattr("django.utils.timezone.now", lambda later=later: later)
        with django_capture_on_commit_callbacks() as sent:
            shop.get(address, headers=HTMX)
        asked += len(sent)
        if sent:
            TopUp.objects.update(checked_at=later)
    assert 3 <= asked <= 5


def test_only_who_comes_back_while_it_is_open_asks(
    shop, top_up, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(minutes=1))
    with django_capture_on_commit_callbacks() as sent:
        address, _ = looks_again(look(shop, top_up))
        shop.get(address, headers=HTMX)
        look(shop, top_up, returned="cancelled")
        paid(top_up)
        look(shop, top_up, returned="1")
    assert sent == []


# ── Cancelling ────────────────────────────────────────────────────────────────────────────────
def test_cancelling_closes_the_providers_page(shop, top_up):
    response = shop.post(page_of(top_up))
    assert response["Location"] == page_of(top_up)
    top_up.refresh_from_db()
    assert top_up.state == TopUpState.CANCELLED
    assert gateway.checkout_now(checkout_id=top_up.checkout_id, now=NOW).status == "cancelled"


def test_cancelling_what_was_just_paid_shows_the_credits(shop, top_up):
    gateway.decide(checkout_id=top_up.checkout_id, decision=gateway.Decision.PAY, now=NOW)
    shop.post(page_of(top_up))
    assert "500 credits added" in words(look(shop, top_up))


def test_cancelling_what_is_over_changes_nothing(shop, top_up):
    paid(top_up)
    shop.post(page_of(top_up))
    top_up.refresh_from_db()
    assert top_up.state == TopUpState.CREDITED


def test_what_can_not_be_cancelled_says_why(shop, top_up):
    pay_late(top_up)
    for _ in range(2):
        response = shop.post(page_of(top_up))
        assert response.status_code == 409
        assert "can’t be cancelled any more: a payment for it is on its way" in words(response)
        assert "Your payment is on its way" in words(response)
    paid(top_up)
    assert "it has been paid" in words(shop.post(page_of(top_up)))


class DeafGateway(gateway.SandboxGateway):
    """The sandbox with its network cut."""

    def cancel_checkout(self, checkout_id):
        raise GatewayError("No route to host")


def test_a_provider_that_can_not_be_told_leaves_it_open(shop, top_up, settings, monkeypatch):
    monkeypatch.setitem(settings.PAYMENT_GATEWAYS, "sandbox", f"{__name__}.DeafGateway")
    response = shop.post(page_of(top_up))
    assert response.status_code == 503
    assert "the payment page is still open" in words(response)
    assert "Cancel this top-up" in words(response)


# ── The list ──────────────────────────────────────────────────────────────────────────────────
LIST = "/a/acme/billing/top-ups/"


def test_an_account_without_top_ups_is_led_to_the_first(shop):
    assert "No top-ups yet" in words(shop.get(LIST))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"state": "pending"}, "Waiting for payment"),
        ({"state": "pending", "checkout_url": ""}, "Not begun"),
        ({"state": "pending", "parked_reason": "x"}, "Being checked"),
        ({"state": "processing"}, "Payment on its way"),
        ({"state": "cancelled", "decision": "closed"}, "Closed"),
        (
            {"state": "credited", "paid_at": NOW, "credited_at": NOW, "disputed_minor": 1},
            "Disputed",
        ),
        ({"state": "failed"}, "Declined"),
        ({"state": "cancelled"}, "Cancelled"),
        ({"state": "expired"}, "Expired"),
        ({"state": "credited", "paid_at": NOW, "credited_at": NOW}, "Credited"),
        (
            {"state": "credited", "paid_at": NOW, "credited_at": NOW, "refunded_minor": 1},
            "Partly refunded",
        ),
        ({"state": "refunded", "paid_at": NOW, "refunded_minor": 800_000}, "Refunded"),
    ],
)
def test_each_state_has_its_word_and_what_was_paid_its_receipt(shop, top_up, state, said):
    TopUp.objects.filter(pk=top_up.pk).update(**state)
    text = words(shop.get(LIST))
    assert f"23 Nov 2026, 18:00 500 INR 8,000 {said}" in text
    assert (top_up.receipt_number in text) == ("paid_at" in state)


def test_the_list_is_paged_newest_first(shop, account, owner):
    for number in range(21):
        begin(account, owner, credits=10 + number, form_key=f"form {number}")
    assert "1–20 of 21" in words(shop.get(LIST))
    assert [top_up.credits for top_up in shop.get(LIST, {"page": 2}).context["page"]] == [10]


def test_the_list_holds_only_the_accounts_own(shop, top_up, outsider, other_account):
    other = begin(other_account, outsider)
    assert other not in shop.get(LIST).context["page"]


# ── The receipt ───────────────────────────────────────────────────────────────────────────────
def receipt_of(shop, top_up):
    return shop.get(reverse("dashboard:receipt", args=["acme", top_up.public_id]))


def test_the_receipt_names_what_was_paid(shop, account, owner):
    TopUpPricing.objects.update(tax_name="GST", tax_basis_points=1_800)
    top_up = paid(begin(account, owner))
    text = words(receipt_of(shop, top_up))
    for said in (
        f"Receipt {top_up.receipt_number}",
        "Account Acme Voice",
        "Paid on 23 Nov 2026, 18:00",
        f"Payment reference payment_{top_up.pk}",
        "500 credits, valid until 23 Nov 2027",
        "Net INR 8,000 GST INR 1,440 Total paid INR 9,440",
    ):
        assert said in text
    assert "Refunded" not in text


def test_the_receipt_names_what_was_paid_back(shop, top_up):
    paid(top_up, refunded_minor=200_000)
    text = words(receipt_of(shop, top_up))
    assert "Refunded INR 2,000 Refunded on 23 Nov 2026, 18:00" in text
    assert "Paid after the refund INR 6,000" in text
    assert "valid until 23 Nov 2027" in text


def test_the_receipt_says_why_all_was_paid_back_and_promises_no_validity(shop, top_up):
    settling.reconcile(top_up_id=decide(top_up, "pay").pk, now=NOW)
    refunds.refund(top_up_id=top_up.pk, reason="Bought twice by mistake", now=NOW)
    text = words(receipt_of(shop, top_up))
    assert "Refunded INR 8,000 Refunded on 23 Nov 2026, 18:00" in text
    assert "Reason for the refund Bought twice by mistake" in text
    assert "valid until" not in text


def test_the_receipt_of_the_sandbox_says_that_no_money_was_moved(shop, top_up):
    assert "Paid through Sandbox, no money was moved" in words(receipt_of(shop, paid(top_up)))


def test_there_is_no_receipt_for_what_was_not_paid(shop, top_up):
    assert receipt_of(shop, top_up).status_code == 404


# ── From the log ──────────────────────────────────────────────────────────────────────────────
def row_page(client, account, kind):
    entry = LedgerEntry.objects.get(account=account, kind=kind)
    return client.get(reverse("dashboard:row", args=["acme", entry.seq])).content.decode()


def test_the_rows_of_a_top_up_lead_to_it(shop, account, top_up):
    paid(top_up, refunded_minor=200_000)
    for kind in ("top_up", "refund"):
        assert f'href="{page_of(top_up)}"' in row_page(shop, account, kind)


def test_who_may_not_pay_is_not_led_there(client, member, account, top_up):
    paid(top_up)
    client.force_login(member)
    assert page_of(top_up) not in row_page(client, account, "top_up")
