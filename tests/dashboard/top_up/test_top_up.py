"""Choosing, reviewing and paying: what is on sale, and that nothing is ever bought twice."""

import re
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.urls import reverse

from billing.models import Pack, Payment, TopUp, TopUpPricing, TopUpState
from billing.money import format_money
from billing.payments import settling
from billing.payments.gateways import GatewayError, RefusedError
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.billing.payments.purchases import state_of
from tests.dashboard.conftest import NOW, call, post

pytestmark = pytest.mark.usefixtures("now")

PAGE = "/a/acme/billing/top-up/"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def shop(client, owner):
    """The browser of the account's owner."""
    client.force_login(owner)
    return client


def pack_of(credits, currency="INR"):
    return Pack.objects.get(credits=credits, currency=currency)


def choice(credits=500):
    return {"choice": f"pack-{pack_of(credits).pk}"}


def review(shop, **chosen):
    """The form that the review page would send."""
    text = shop.get(PAGE, chosen or choice()).content.decode()
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))
    del sent["csrfmiddlewaretoken"]  # masked anew each time
    return sent


def pay(shop, form=None):
    return shop.post(PAGE, review(shop) if form is None else form)


def decide(payment, decision):
    gateway.decide(checkout_id=payment.checkout_id, decision=gateway.Decision(decision), now=NOW)
    return settling.reconcile(payment_pk=payment.pk, now=NOW)


def words(response):
    """The text of the page's main part."""
    html = response.content.decode().partition("<main")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&amp;", "&").split())


# ── What is on sale ───────────────────────────────────────────────────────────────────────────
def test_packs_are_offered_in_the_operators_order(shop):
    Pack.objects.filter(currency="INR", credits=5_000).update(order=0)
    offers = shop.get(PAGE).context["sale"].offers
    assert [offer.credits for offer in offers] == [5_000, 100, 500, 1_500]


def test_a_pack_that_is_switched_off_is_not_offered(shop):
    Pack.objects.filter(currency="INR", credits=5_000).update(is_active=False)
    assert "5,000 credits" not in words(shop.get(PAGE))


def best_value(shop) -> list[int]:
    offers = shop.get(PAGE).context["sale"].offers
    return [offer.credits for offer in offers if offer.is_best_value]


def test_the_pack_that_operators_call_the_best_value_is_marked(shop):
    assert "5,000 credits INR 44,999 INR 9 per credit Best value" in words(shop.get(PAGE))
    assert best_value(shop) == [5_000]
    Pack.objects.update(is_best_value=False)
    assert best_value(shop) == []


def test_no_pack_is_marked_where_something_else_costs_as_little(shop):
    packs = Pack.objects.filter(currency="INR")
    packs.filter(credits=500).update(price_minor=500 * 899)
    assert best_value(shop) == []
    packs.filter(credits=500).update(price_minor=500 * 900)
    packs.filter(credits=5_000).update(price_minor=5_000 * 900)
    assert best_value(shop) == []
    packs.filter(credits=500).update(price_minor=500 * 950)
    assert best_value(shop) == [5_000]
    TopUpPricing.objects.filter(currency="INR").update(price_minor_per_credit=800)
    assert best_value(shop) == []


def test_a_pack_that_gives_more_for_the_same_money_is_pointed_at(shop):
    as_dear = shop.get(PAGE, {"choice": "own", "credits": "490"})
    pack = Pack.objects.get(currency="INR", credits=500)
    more = "More for the same money: the pack of 500 credits costs INR 5,999 too."
    assert more in words(as_dear)
    assert f"?choice=pack-{pack.pk}" in as_dear.content.decode()
    for fine in ({"choice": "own", "credits": "300"}, {"choice": f"pack-{pack.pk}"}):
        assert "More for the same" not in words(shop.get(PAGE, fine))


@pytest.mark.parametrize(
    ("credits", "said"),
    [
        ("10000", "How it is priced INR 89,998: the price of 2 packs of 5,000"),
        ("7000", "How it is priced INR 62,998.60: at the price per credit of the pack of 5,000"),
        ("50", "How it is priced INR 800: INR 16 per credit"),
    ],
)
def test_the_review_says_how_the_price_of_a_custom_amount_comes_about(shop, credits, said):
    assert said in words(shop.get(PAGE, {"choice": "own", "credits": credits}))


@pytest.mark.parametrize(
    ("price_minor", "credits", "each"),
    [
        (149_900, 100, "INR 14.99"),
        (599_900, 500, "INR 12"),
        (1_001, 2, "INR 5.01"),
    ],
)
def test_the_price_per_credit_is_rounded_half_up(shop, price_minor, credits, each):
    Pack.objects.filter(currency="INR").delete()
    Pack.objects.create(credits=credits, price_minor=price_minor)
    (offer,) = shop.get(PAGE).context["sale"].offers
    assert format_money(offer.price_per_credit_minor, "INR") == each


def test_an_own_number_is_offered_with_its_limits_and_price(shop):
    assert "below the smallest pack, at INR 16 per credit." in words(shop.get(PAGE))


def test_without_a_price_per_credit_only_packs_are_offered(shop):
    TopUpPricing.objects.all().delete()
    text = words(shop.get(PAGE))
    assert "500 credits" in text
    assert "Number of credits" not in text


def test_without_packs_an_own_number_is_offered(shop):
    Pack.objects.all().delete()
    assert "Your own number of credits" in words(shop.get(PAGE))


def test_a_currency_without_prices_says_so(shop, account):
    account.currency = "SEK"
    account.save()
    text = words(shop.get(PAGE))
    assert "Top-ups in SEK are not on sale yet" in text
    assert "Continue to review" not in text


def test_packs_of_another_currency_can_not_be_chosen(shop):
    response = shop.get(PAGE, {"choice": f"pack-{pack_of(500, 'USD').pk}"})
    assert response.status_code == 422
    assert response.context["errors"]["choice"] == [
        "This pack is no longer on offer. Choose another one."
    ]


@pytest.mark.parametrize(
    ("chosen", "field", "message"),
    [
        ({"choice": "", "credits": ""}, "choice", "Choose a pack, or enter a number of credits."),
        ({"choice": "own", "credits": " "}, "credits", "Enter how many credits, from 10 to"),
        ({"choice": "own", "credits": "9"}, "credits", "too few: enter 10 credits or more"),
        ({"choice": "own", "credits": "0"}, "credits", "too few"),
        ({"choice": "own", "credits": "100001"}, "credits", "too many: enter 100,000 credits or"),
        ({"choice": "own", "credits": "9" * 5_000}, "credits", "too many"),
        ({"choice": "own", "credits": "12.5"}, "credits", "whole number in digits, from 10 to"),
        ({"choice": "own", "credits": "-50"}, "credits", "whole number in digits"),
        ({"choice": "own", "credits": "many"}, "credits", "whole number in digits"),
        ({"choice": "own", "credits": "5\0"}, "credits", "whole number in digits"),
        ({"choice": "pack-99999999"}, "choice", "no longer on offer"),
    ],
)
def test_what_can_not_be_bought_is_said_beside_its_field(shop, chosen, field, message):
    response = shop.get(PAGE, chosen)
    assert response.status_code == 422
    assert list(response.context["errors"]) == [field]
    assert message in response.context["errors"][field][0]
    assert f'id="{field}-error"' in response.content.decode()


@pytest.mark.parametrize("unread", ["x" * 200, "banana", "pack-x", "own\0", "PACK-1", "packs"])
def test_a_link_that_can_not_be_read_chooses_nothing_and_says_so(shop, unread):
    response = shop.get(PAGE, {"choice": unread, "credits": "20"})
    assert response.status_code == 422
    assert "This link could not be read, so nothing is chosen." in words(response)
    html = response.content.decode()
    assert (
        re.findall(r"<input[^>]*(?:checked|value=\"20\")[^>]*>", html.partition("<main")[2]) == []
    )


def test_an_own_number_where_only_packs_are_on_offer_is_said_beside_them(shop):
    TopUpPricing.objects.all().delete()
    response = shop.get(PAGE, {"choice": "own", "credits": "50"})
    assert response.context["errors"]["choice"] == ["Only packs are on offer. Choose one."]


def test_nothing_is_chosen_beforehand(shop):
    assert "checked" not in shop.get(PAGE).content.decode().partition("<main")[2]


@pytest.mark.parametrize("typed", ["1500", "1,500", "1 500", "1\u202f500"])
def test_numbers_are_read_as_people_type_them(shop, typed):
    assert review(shop, choice="own", credits=typed)["total_minor"] == "1499900"


@pytest.mark.parametrize("typed", ["10,0", "1,5", "1.500", "1,50,00", ",500", "1500,", "1,500,0"])
def test_a_comma_that_may_mean_decimals_is_refused(shop, typed):
    response = shop.get(PAGE, {"choice": "own", "credits": typed})
    assert response.status_code == 422
    assert "whole number" in response.context["errors"]["credits"][0]


def test_a_number_without_a_choice_is_an_own_number(shop):
    assert review(shop, credits="50")["total_minor"] == "80000"


def test_changing_brings_back_what_was_chosen(shop):
    response = shop.get(PAGE, {"choice": "own", "credits": "70", "change": "1"})
    assert response.status_code == 200
    text = response.content.decode()
    assert 'value="70"' in text
    assert 'value="own" data-own checked' in text


# ── The price of a number while it is typed ───────────────────────────────────────────────────
def price_while_typing(shop, typed):
    """What htmx is sent for what stands in the field."""
    response = shop.get(PAGE, {"change": "1", "credits": typed}, headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert "HX-Request" in response["Vary"]
    return response.content.decode()


@pytest.mark.parametrize(
    ("typed", "price"),
    [
        (
            "1,000",
            "INR 14,157.64 for 1,000 credits, 18 % GST included: "
            "the price of 2 packs of 500, before tax",
        ),
        ("11", "INR 207.68 for 11 credits, 18 % GST included: INR 16 per credit, before tax"),
        ("", ""),
        ("9", ""),
        ("100,001", ""),
        ("12.5", ""),
        ("<b>", ""),
    ],
)
def test_a_number_has_its_price_while_it_is_typed(shop, typed, price):
    TopUpPricing.objects.update(tax_name="GST", tax_basis_points=1_800)
    assert price_while_typing(shop, typed) == price


def test_the_price_while_typing_names_no_tax_where_there_is_none(shop):
    assert price_while_typing(shop, "50") == "INR 800 for 50 credits: INR 16 per credit"


def test_nothing_has_a_price_where_only_packs_are_on_offer(shop):
    TopUpPricing.objects.all().delete()
    assert price_while_typing(shop, "50") == ""


def test_a_number_that_is_changed_has_its_price_without_scripts(shop):
    page = words(shop.get(PAGE, {"choice": "own", "credits": "70", "change": "1"}))
    assert "INR 1,120 for 70 credits" in page
    assert "for 70 credits" not in words(shop.get(PAGE))


# ── Review ────────────────────────────────────────────────────────────────────────────────────
def test_the_review_names_price_credits_validity_and_the_balance_after(shop, account):
    post(call(account, "a", 120, NOW))
    text = words(shop.get(PAGE, choice()))
    assert "Credits 500" in text
    assert "Total INR 5,999" in text
    assert "Valid until 23 Nov 2027" in text
    assert "120 credits owed now → 380 credits after" in text
    assert "Pay INR 5,999 for 500 credits" in text


def test_the_review_adds_the_tax(shop):
    TopUpPricing.objects.update(tax_name="GST", tax_basis_points=1_800)
    text = words(shop.get(PAGE, choice()))
    assert "Price INR 5,999 18 % GST INR 1,079.82 Total INR 7,078.82" in text
    assert "Pay INR 7,078.82 for 500 credits" in text
    assert "INR 12 per credit, plus 18 % GST" in words(shop.get(PAGE))


def test_a_review_stores_nothing(shop):
    review(shop)
    assert not TopUp.objects.exists()


# ── Paying ────────────────────────────────────────────────────────────────────────────────────
def test_paying_leads_to_the_providers_page(shop, account, owner):
    response = pay(shop)
    payment = Payment.objects.get()
    top_up = payment.top_up
    assert response["Location"] == payment.checkout_url
    assert (top_up.account, top_up.created_by, top_up.credits) == (account, owner, 500)
    assert (top_up.total_minor, state_of(payment)) == (599_900, TopUpState.PENDING)


def test_one_comes_back_to_the_sites_own_address(shop, settings):
    pay(shop)
    (found,) = SandboxCheckout.objects.all()
    path = reverse("dashboard:top_up_status", args=["acme", TopUp.objects.get().public_id])
    assert found.return_url == f"{settings.SITE_URL}{path}?returned=1"
    assert found.cancel_url == f"{settings.SITE_URL}{path}?returned=cancelled"


class RefusingGateway(gateway.SandboxGateway):
    """A provider that does not want this payment."""

    def create_checkout(self, order):
        raise RefusedError("Amount too small")


def test_what_the_provider_refuses_is_not_called_unreachable(shop, monkeypatch):
    monkeypatch.setitem(django_settings.PAYMENT_GATEWAYS, "sandbox", f"{__name__}.RefusingGateway")
    response = pay(shop)
    assert response.status_code == 502
    assert "did not accept this payment" in words(response)
    assert "could not be reached" not in words(response)


def test_a_double_click_buys_once(shop):
    form = review(shop)
    assert pay(shop, form)["Location"] == pay(shop, form)["Location"]
    assert TopUp.objects.count() == 1


def test_two_tabs_buy_once(shop):
    first, second = review(shop), review(shop)
    pay(shop, first)
    decide(Payment.objects.get(), "pay")
    response = pay(shop, second)
    assert response["Location"] == f"{PAGE}{TopUp.objects.get().public_id}/"


def test_two_browsers_of_one_person_buy_once(shop, owner):
    form = review(shop)
    other = type(shop)()
    other.force_login(owner)
    assert review(other) == form


def test_reloading_the_review_keeps_the_form(shop):
    assert review(shop) == review(shop)


def test_going_back_and_paying_again_shows_the_purchase_that_was_paid(shop):
    form = review(shop)
    pay(shop, form)
    decide(Payment.objects.get(), "pay")
    assert pay(shop, form)["Location"].endswith(f"{TopUp.objects.get().public_id}/")
    assert TopUp.objects.count() == 1


def test_after_a_purchase_is_paid_the_next_form_buys_again(shop):
    pay(shop)
    decide(Payment.objects.get(), "pay")
    pay(shop)
    assert TopUp.objects.count() == 2


def test_after_a_declined_payment_the_same_form_opens_a_new_one(shop):
    form = review(shop)
    pay(shop, form)
    declined = decide(Payment.objects.get(), "decline")
    again = pay(shop, form)["Location"]
    assert again == Payment.objects.exclude(pk=declined.pk).get().checkout_url
    assert again == pay(shop, form)["Location"]


def test_choosing_something_else_closes_what_was_not_paid(shop):
    pay(shop, review(shop, **choice(100)))
    pay(shop, review(shop, **choice(500)))
    states = {each.top_up.credits: state_of(each) for each in Payment.objects.all()}
    assert states == {100: TopUpState.CANCELLED, 500: TopUpState.PENDING}


def test_a_checkout_of_more_than_25_minutes_is_replaced(shop, stop_clock):
    form = review(shop)
    old = pay(shop, form)["Location"]
    stop_clock(NOW + 26 * MINUTE)
    assert pay(shop, form)["Location"] != old


def test_a_price_that_has_changed_is_shown_before_it_is_paid(shop):
    form = review(shop)
    Pack.objects.filter(currency="INR", credits=500).update(price_minor=649_900)
    response = pay(shop, form)
    assert response.status_code == 409
    assert "a price has changed" in words(response)
    assert "Pay INR 6,499 for 500 credits" in words(response)
    assert not TopUp.objects.exists()


def test_another_number_of_credits_for_the_same_price_is_shown_before_it_is_paid(shop):
    form = review(shop)
    Pack.objects.filter(currency="INR", credits=500).update(credits=250)
    response = pay(shop, form)
    assert response.status_code == 409
    assert "Pay INR 5,999 for 250 credits" in words(response)
    assert not TopUp.objects.exists()


def test_a_pack_that_has_gone_is_said_beside_the_choice(shop):
    form = review(shop)
    Pack.objects.filter(currency="INR", credits=500).update(is_active=False)
    response = pay(shop, form)
    assert response.status_code == 422
    assert "no longer on offer" in words(response)


@pytest.mark.parametrize(
    "changed", [{"form_key": ""}, {"form_key": "x"}, {"total_minor": ""}, {"for_credits": "x"}]
)
def test_a_form_that_is_not_whole_is_shown_again(shop, changed):
    response = pay(shop, {**review(shop), **changed})
    assert response.status_code == 422
    assert "Pay INR 5,999 for 500 credits" in words(response)
    assert not TopUp.objects.exists()


def test_the_form_of_another_person_is_shown_again(shop, owner):
    response = pay(shop, {**review(shop), "form_key": f"{owner.pk + 1}-0"})
    assert response.status_code == 409
    assert not TopUp.objects.exists()


def test_an_empty_form_asks_to_choose(shop):
    response = shop.post(PAGE)
    assert response.status_code == 422
    assert "How many credits?" in words(response)


class UnreachableGateway(gateway.SandboxGateway):
    """The sandbox with its network cut."""

    def create_checkout(self, order):
        raise GatewayError("No route to host")


def test_an_unreachable_provider_is_said_and_the_same_form_tries_again(shop, monkeypatch):
    form = review(shop)
    with monkeypatch.context() as cut:
        cut.setitem(django_settings.PAYMENT_GATEWAYS, "sandbox", f"{__name__}.UnreachableGateway")
        response = pay(shop, form)
    assert response.status_code == 503
    assert "Nothing was charged" in words(response)
    assert "No route to host" not in words(response)
    assert review(shop) == form
    unopened = Payment.objects.get()
    assert pay(shop, form)["Location"] == Payment.objects.get(top_up=unopened.top_up).checkout_url


def test_a_top_up_that_waits_for_payment_is_offered_to_continue(shop):
    pay(shop)
    assert "A top-up is waiting for payment: 500 credits for INR 5,999." in words(shop.get(PAGE))


def test_the_page_says_when_it_is_the_sandbox(shop, settings):
    assert "in a sandbox" in words(shop.get(PAGE, choice()))
    settings.PAYMENT_GATEWAY = "stripe"
    assert "in a sandbox" not in words(shop.get(PAGE, choice()))
