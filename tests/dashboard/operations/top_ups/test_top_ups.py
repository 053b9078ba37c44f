"""Operators price packs, look at purchases, and pay them back."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from billing.models import (
    Account,
    Pack,
    Payment,
    PaymentEvent,
    Review,
    TopUp,
    TopUpPricing,
    TopUpState,
)
from billing.payments import buying, pricing, settling
from billing.payments.gateways import DisputeStatus, RefundStatus
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments.purchases import (
    checkout_facts,
    dispute_facts,
    refund_facts,
    review_of,
    state_of,
)
from tests.dashboard.operations.conftest import call_of, credits_of


def pack_form(**changes: str) -> dict[str, str]:
    return {
        "credits": "750",
        "price": "8499.50",
        "currency": "INR",
        "order": "9",
        "is_active": "on",
        **changes,
    }


@pytest.fixture
def begun(customer: Account) -> Payment:
    """A top-up of 500 credits that nobody has paid yet."""
    return buying.start(
        account=customer,
        user_id=None,
        email="owner@example.com",
        quoted=pricing.quote(account=customer, credits=500),
        form_key="form",
        return_url="http://localhost/{id}/",
        now=timezone.now(),
    )


@pytest.fixture
def paid(begun: Payment) -> Payment:
    """A credited top-up of 500 credits."""
    now = timezone.now()
    gateway.decide(checkout_id=begun.checkout_id, decision=gateway.Decision.PAY, now=now)
    return settling.reconcile(payment_pk=begun.pk, now=now)


def refund_page(payment: Payment) -> str:
    return f"/admin/billing/topup/{payment.top_up_id}/refund/"


def test_the_page_of_a_refund_that_is_not_possible_says_why_and_has_no_button(
    staff: Client, begun: Payment
):
    page = staff.get(refund_page(begun)).content.decode()
    assert "only a credited top-up can be refunded" in page
    assert "Refund INR" not in page
    assert 'name="reason"' not in page


def test_a_pack_is_priced_in_main_units(staff: Client):
    assert staff.post("/admin/billing/pack/add/", pack_form()).status_code == 302
    assert Pack.objects.get(credits=750).price_minor == 849_950


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("price", "0", "above zero"),
        ("price", "-5", "greater than or equal"),
        ("price", "10.005", "2 decimals"),
        ("price", "1e30", "less than or equal"),
        ("credits", "0", "greater than or equal"),
        ("credits", "1.5", "whole number"),
        ("currency", "RUPEE", "at most 3"),
        ("currency", "1NR", "Three capital letters"),
        ("currency", "XYZ", "ISO 4217"),
    ],
)
def test_a_bad_pack_is_refused_beside_its_field(staff: Client, field, value, said):
    response = staff.post("/admin/billing/pack/add/", pack_form(**{field: value}))
    assert said in str(response.context["adminform"].form.errors[field])
    assert not Pack.objects.filter(credits=750).exists()


def test_a_currency_without_decimals_takes_none(staff: Client):
    form = pack_form(currency="JPY", price="100.5")
    response = staff.post("/admin/billing/pack/add/", form)
    assert "0 decimals" in str(response.context["adminform"].form.errors["price"])
    staff.post("/admin/billing/pack/add/", pack_form(currency="JPY", price="100"))
    assert Pack.objects.get(currency="JPY").price_minor == 100


def test_a_pack_of_the_same_credits_as_another_is_refused_beside_its_field(staff: Client):
    response = staff.post("/admin/billing/pack/add/", pack_form(credits="500"))
    errors = response.context["adminform"].form.errors
    assert list(errors) == ["credits"]
    assert "500 credits are on offer already, for INR 5,999." in str(errors["credits"])


def test_a_pack_that_is_not_on_offer_may_be_like_another(staff: Client):
    form = pack_form(credits="1500")
    del form["is_active"]
    assert staff.post("/admin/billing/pack/add/", form).status_code == 302
    hidden = Pack.objects.get(credits=1_500, currency="INR", is_active=False)
    response = staff.post(f"/admin/billing/pack/{hidden.pk}/change/", {**form, "is_active": "on"})
    assert set(response.context["adminform"].form.errors) == {"credits"}


def test_a_pack_may_be_saved_as_it_is(staff: Client):
    pack = Pack.objects.get(credits=1_500, currency="INR")
    form = pack_form(credits="1500", price="14999")
    assert staff.post(f"/admin/billing/pack/{pack.pk}/change/", form).status_code == 302


def test_the_database_refuses_packs_of_the_same_credits_too(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        Pack.objects.create(credits=500, price_minor=1)


@pytest.mark.parametrize(("price", "is_warned"), [("8000", True), ("5000", False)])
def test_a_best_value_that_is_none_is_stored_with_a_warning(staff: Client, price, is_warned):
    form = pack_form(price=price, is_best_value="on")
    response = staff.post("/admin/billing/pack/add/", form, follow=True)
    assert Pack.objects.get(credits=750).is_best_value
    assert ("are not marked as the best value" in response.content.decode()) == is_warned


@pytest.mark.parametrize(("currency", "is_warned"), [("JPY", True), ("INR", False), ("USD", False)])
def test_a_pack_that_nobody_is_offered_is_stored_with_a_warning(
    staff: Client, account: Account, currency, is_warned
):
    form = pack_form(currency=currency, price="100")
    response = staff.post("/admin/billing/pack/add/", form, follow=True)
    assert Pack.objects.filter(credits=750, currency=currency).exists()
    assert (f"No account pays in {currency}" in response.content.decode()) == is_warned


def pricing_form(**changes: str) -> dict[str, str]:
    return {
        "price": "14.5",
        "currency": "INR",
        "credits_min": "10",
        "credits_max": "5000",
        "tax_name": "GST",
        "tax_percent": "18",
        **changes,
    }


def test_tax_is_entered_in_percent_and_shown_again(staff: Client):
    pricing = TopUpPricing.objects.get(currency="INR")
    page = f"/admin/billing/topuppricing/{pricing.pk}/change/"
    assert staff.post(page, pricing_form()).status_code == 302
    pricing.refresh_from_db()
    assert (pricing.price_minor_per_credit, pricing.tax_basis_points) == (1_450, 1_800)
    assert staff.get(page).context["adminform"].form.initial["tax_percent"] == 18


@pytest.mark.parametrize(
    ("field", "value"), [("credits_max", "9"), ("tax_name", ""), ("tax_percent", "101")]
)
def test_bad_pricing_is_refused_beside_its_field(staff: Client, field, value):
    pricing = TopUpPricing.objects.get(currency="INR")
    page = f"/admin/billing/topuppricing/{pricing.pk}/change/"
    response = staff.post(page, pricing_form(**{field: value}))
    assert field in response.context["adminform"].form.errors


def test_a_refund_needs_a_reason_and_then_takes_the_credits(
    staff: Client, customer: Account, paid: Payment
):
    call_of(customer, "used", seconds=3600)
    before = credits_of(customer)
    response = staff.post(refund_page(paid), {"reason": "  "})
    assert "reason" in response.context["form"].errors
    assert staff.post(refund_page(paid), {"reason": "By mistake"}).status_code == 302
    assert (state_of(paid), credits_of(customer)) == (TopUpState.REFUNDED, before - 500)
    assert paid.refunds.filter(requested_by__is_staff=True).exists()
    assert "By mistake" in LogEntry.objects.get(object_id=str(paid.top_up_id)).change_message


@pytest.mark.broken_ledger
def test_all_times_of_a_top_up_and_its_event_are_read_alike(staff: Client, paid: Payment):
    at = datetime(2026, 11, 24, 8, 35, tzinfo=UTC)
    TopUp.objects.update(created_at=at)
    Payment.objects.update(created_at=at, paid_at=at, credited_at=at, checked_at=at)
    event = PaymentEvent.objects.create(
        gateway="sandbox", event_id="event_1", event_type="paid", payload={}, received_at=at
    )
    page = staff.get(f"/admin/billing/topup/{paid.top_up_id}/change/").content.decode()
    assert page.count(">24 Nov 2026, 14:05 Asia/Kolkata<") == 1
    assert page.count(" 24 Nov 2026, 14:05 Asia/Kolkata") == 4
    assert (
        ">24 Nov 2026, 14:05 Asia/Kolkata<" in staff.get("/admin/billing/topup/").content.decode()
    )
    for address in ("", f"{event.pk}/change/"):
        events = staff.get(f"/admin/billing/paymentevent/{address}").content.decode()
        assert ">24 Nov 2026, 08:35 UTC<" in events


def test_a_refund_sent_twice_says_that_it_is_done(staff: Client, customer: Account, paid: Payment):
    staff.post(refund_page(paid), {"reason": "x"})
    response = staff.post(refund_page(paid), {"reason": "x"})
    assert "only a credited" in response.content.decode()
    assert credits_of(customer) == 100


def test_a_refund_that_the_provider_refuses_changes_nothing(
    staff: Client, customer: Account, paid: Payment
):
    SandboxCheckout.objects.update(payment_id="unknown")
    response = staff.post(refund_page(paid), {"reason": "x"})
    assert "did not refund it" in response.content.decode()
    assert credits_of(customer) == 600


def test_what_needs_attention_is_found(staff: Client, paid: Payment, parked: Payment):
    page = "/admin/billing/topup/"
    numbers = [each.top_up.receipt_number for each in (paid, parked)]

    def found(**query: str) -> list[bool]:
        text = staff.get(page, query).content.decode()
        return [number in text for number in numbers]

    assert found(attention="review") == [False, True]
    assert found(attention="dispute") == [False, False]
    inquiry = dispute_facts(paid, 5, status=DisputeStatus.INQUIRY)
    failed = refund_facts(paid, 5, status=RefundStatus.FAILED, failure_reason="Card closed")
    for facts in (inquiry, failed):
        settling.settle(payment_pk=paid.pk, facts=facts, now=timezone.now())
    assert found(attention="dispute") == [True, False]
    assert found(attention="refund") == [True, False]
    assert found(state="credited") == [True, False]
    assert found(state="checking") == [False, True]
    assert found(state="nonsense", attention="nonsense") == [True, True]


def test_why_the_provider_opened_no_page_is_shown(staff: Client, begun: Payment):
    Payment.objects.update(
        status="failed", checkout_id="", checkout_url="", failure_reason="Amount too small"
    )
    listed = staff.get("/admin/billing/topup/", {"attention": "refused"}).content.decode()
    assert begun.top_up.receipt_number in listed
    assert "No payment page: Amount too small" in listed
    page = staff.get(f"/admin/billing/topup/{begun.top_up_id}/change/").content.decode()
    assert "1. Failed · Amount too small" in page


def test_a_top_up_is_found_by_each_id_of_the_provider(staff: Client, paid: Payment):
    for facts in (refund_facts(paid, 5), dispute_facts(paid, 5)):
        settling.settle(payment_pk=paid.pk, facts=facts, now=timezone.now())
    number = paid.top_up.receipt_number
    for term in (paid.payment_id, paid.checkout_id, "refund_1", "dispute_1"):
        assert number in staff.get("/admin/billing/topup/", {"q": term}).content.decode()
    assert number not in staff.get("/admin/billing/topup/", {"q": "x"}).content.decode()


def test_top_ups_events_and_notices_cannot_be_changed(staff: Client, paid: Payment):
    event = PaymentEvent.objects.create(
        gateway="sandbox",
        event_id="e1",
        event_type="checkout.paid",
        payload={},
        received_at=timezone.now() - timedelta(days=1),
    )
    for path in (f"topup/{paid.top_up_id}", f"paymentevent/{event.pk}"):
        assert staff.get(f"/admin/billing/{path}/change/").status_code == 200
        assert staff.post(f"/admin/billing/{path}/change/", {"state": "x"}).status_code == 403
        assert staff.post(f"/admin/billing/{path}/delete/", {"post": "yes"}).status_code == 403
    for model in ("topup", "paymentevent", "notice"):
        assert staff.get(f"/admin/billing/{model}/").status_code == 200
        assert staff.get(f"/admin/billing/{model}/add/").status_code == 403


def test_only_staff_can_refund(client: Client, owner, paid: Payment):
    client.force_login(owner)
    assert client.post(refund_page(paid), {"reason": "x"}).status_code == 302
    assert state_of(paid) == TopUpState.CREDITED


# ── Payments that do not fit ──────────────────────────────────────────────────────────────────
@pytest.fixture
def parked(customer: Account) -> Payment:
    """A top-up for which half of its price has come."""
    now = timezone.now()
    payment = buying.start(
        account=customer,
        user_id=None,
        email="owner@example.com",
        quoted=pricing.quote(account=customer, credits=500),
        form_key="parked",
        return_url="http://localhost/{id}/",
        now=now,
    )
    gateway.decide(checkout_id=payment.checkout_id, decision=gateway.Decision.PAY, now=now)
    SandboxCheckout.objects.filter(checkout_id=payment.checkout_id).update(amount_minor=299_900)
    return settling.reconcile(payment_pk=payment.pk, now=now)


def decide_page(payment: Payment) -> str:
    return f"/admin/billing/topup/{payment.top_up_id}/decide/"


def decision_about(payment: Payment, decision: str) -> dict[str, object]:
    """The form as the page that shows the newest review sends it."""
    review = Review.objects.filter(payment=payment.pk).latest("pk")
    return {"decision": decision, "reason": "Agreed by phone", "review": review.pk}


@pytest.mark.parametrize(
    ("decision", "state", "credits"),
    [("accepted", "credited", 600), ("returned", "refunded", 100), ("closed", "closed", 100)],
)
def test_a_parked_payment_is_decided_about_once_and_the_history_says_why(
    staff: Client, customer: Account, parked: Payment, decision: str, state: str, credits: int
):
    page = staff.get(decide_page(parked)).content.decode()
    assert "asked for INR 5,999 · received INR 2,999" in page
    form = decision_about(parked, decision)
    assert staff.post(decide_page(parked), form).status_code == 302
    assert (state_of(parked), credits_of(customer)) == (state, credits)
    assert Review.objects.filter(decided_by__is_staff=True).exists()
    said = LogEntry.objects.get(object_id=str(parked.top_up_id)).change_message
    assert "reports INR 2,999, the top-up costs INR 5,999." in said
    assert "Agreed by phone" in said
    again = staff.post(decide_page(parked), form)
    assert "does not wait for a decision any more" in again.content.decode()
    assert credits_of(customer) == credits


def test_a_page_from_before_decides_nothing_about_another_review(
    staff: Client, customer: Account, parked: Payment
):
    shown = decision_about(parked, "accepted")
    assert (
        f'name="review" value="{shown["review"]}"'
        in staff.get(decide_page(parked)).content.decode()
    )
    staff.post(decide_page(parked), {**shown, "decision": "closed"})
    other = checkout_facts(parked, payment_id="payment_other")
    settling.settle(payment_pk=parked.pk, facts=other, now=timezone.now())
    answer = staff.post(decide_page(parked), shown, follow=True)
    assert "waits for another decision now" in answer.content.decode()
    assert review_of(parked)
    assert credits_of(customer) == 100


def test_a_decision_needs_a_choice_and_a_reason(staff: Client, parked: Payment):
    form = {"reason": " ", "review": Review.objects.get().pk}
    errors = staff.post(decide_page(parked), form).context["form"].errors
    assert set(errors) == {"decision", "reason"}


def test_the_operator_sees_what_was_received_and_why_a_refund_failed(
    staff: Client, parked: Payment
):
    failed = refund_facts(parked, 5, status=RefundStatus.FAILED, failure_reason="Card closed")
    settling.settle(payment_pk=parked.pk, facts=failed, now=timezone.now())
    page = staff.get(f"/admin/billing/topup/{parked.top_up_id}/change/").content.decode()
    assert "INR 2,999" in page
    assert "Card closed" in page


def ask_page(payment: Payment) -> str:
    return f"/admin/billing/topup/{payment.top_up_id}/ask-provider/"


def test_the_provider_is_asked_by_a_button_and_not_by_a_link(
    staff: Client, customer: Account, begun: Payment
):
    gateway.decide(checkout_id=begun.checkout_id, decision=gateway.Decision.PAY, now=timezone.now())
    page = staff.get(ask_page(begun)).content.decode()
    assert "waiting for payment here" in page
    assert state_of(begun) == TopUpState.PENDING
    answer = staff.post(ask_page(begun), follow=True)
    assert f"{begun.top_up.receipt_number}: credited." in answer.content.decode()
    assert (state_of(begun), credits_of(customer)) == (TopUpState.CREDITED, 600)


def test_a_provider_that_does_not_answer_is_said_and_changes_nothing(staff: Client, begun: Payment):
    Payment.objects.update(gateway="stripe")
    page = staff.post(ask_page(begun))
    assert "The provider did not answer" in page.content.decode()
    assert state_of(begun) == TopUpState.PENDING


def attempt(payment: Payment, number: int, *, gateway: str) -> Payment:
    """An attempt at the top-up of ``payment`` that failed at ``gateway``."""
    return Payment.objects.create(
        top_up=payment.top_up,
        number=number,
        gateway=gateway,
        checkout_id=f"old_{number}",
        status=Payment.Status.FAILED,
        created_at=payment.created_at,
    )


def test_every_attempt_is_asked_about_also_after_one_that_can_not_be(
    staff: Client, customer: Account, begun: Payment
):
    Payment.objects.update(number=2)
    attempt(begun, 1, gateway="gone")
    attempt(begun, 3, gateway="lost")
    gateway.decide(checkout_id=begun.checkout_id, decision=gateway.Decision.PAY, now=timezone.now())
    page = staff.post(ask_page(begun), follow=True).content.decode()
    assert (state_of(begun), credits_of(customer)) == (TopUpState.CREDITED, 600)
    assert f"{begun.top_up.receipt_number}: credited." in page
    assert "Attempt 1: There is no payment provider “gone”." in page
    assert "Attempt 3: There is no payment provider “lost”." in page


def test_where_no_attempt_could_be_asked_about_all_reasons_are_said(staff: Client, begun: Payment):
    Payment.objects.update(gateway="gone")
    for number, name in ((2, "gone"), (3, "lost")):
        attempt(begun, number, gateway=name)
    page = staff.post(ask_page(begun)).content.decode()
    said = "There is no payment provider “gone”. There is no payment provider “lost”."
    assert f"The provider did not answer: {said} Try again later." in page


def test_asking_about_a_top_up_that_does_not_exist_is_not_found(staff: Client):
    assert staff.get("/admin/billing/topup/1/ask-provider/").status_code == 404
