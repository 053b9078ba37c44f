"""Topping up in a real browser, with a real worker: what a newcomer does, and what goes wrong."""

import time

import pytest
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import (
    Account,
    Balance,
    LedgerEntry,
    Payment,
    TopUp,
    TopUpPricing,
    TopUpState,
    User,
)
from billing.payments import buying, pricing, settling
from billing.payments.gateways import PaymentStatus
from billing.payments.states import state_of
from tests.accessibility import bring_axe, faults_of
from tests.billing.payments.purchases import checkout_facts, refund_facts
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser

SECONDS_TO_CREDITS_MAX = 2
PAY = "Pay INR 5,999 for 500 credits"


@pytest.fixture(autouse=True)
def _address_of_the_site(settings, live_server) -> None:
    """The sandbox's page is under SITE_URL."""
    settings.SITE_URL = live_server.url


@pytest.fixture
def customer(company: Account, default_packs: None) -> Account:
    """The company, where packs are on sale."""
    return company


def choose(page: Page, account: Account) -> None:
    """From anywhere in the account to the review of 500 credits."""
    page.get_by_role("navigation", name="Main").get_by_text("Top Up Credits").click()
    page.get_by_label("500 credits INR 5,999").check()
    page.get_by_role("button", name="Continue to review").click()
    # A click does not wait for the page that it leads to.
    expect(page.get_by_role("button", name=PAY)).to_be_visible()


def begin(page: Page, account: Account) -> None:
    """From anywhere in the account to the sandbox's page for 500 credits."""
    choose(page, account)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_text("Sandbox: no money moves")).to_be_visible()


def home(page: Page, account: Account) -> None:
    page.goto(reverse("dashboard:home", args=[account.slug]))


def begun_here() -> QuerySet[TopUp]:
    """The top-ups that a person began, without those that the company came with."""
    return TopUp.objects.exclude(created_by=None).order_by("pk")


def credits_of(account: Account) -> int:
    return Balance.objects.get(account=account).credits


@pytest.mark.broker
def test_a_newcomer_tops_up_and_finds_the_row(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner)
    home(page, customer)
    before = credits_of(customer)
    balance = page.locator(".side [data-live-balance]")
    expect(balance).to_have_text(f"{before:,}")
    choose(page, customer)
    review = page.get_by_role("main")
    expect(review).to_contain_text(f"{before:,} credits now → {before + 500:,} credits after")
    page.get_by_role("button", name=PAY).click()

    paid_at = time.monotonic()
    page.get_by_role("button", name="Pay INR 5,999").click()
    expect(balance).to_have_text(f"{before + 500:,}")
    assert time.monotonic() - paid_at < SECONDS_TO_CREDITS_MAX
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible()
    expect(page).to_have_title("500 credits added · Call Credits")

    receipt = begun_here().get().receipt_number
    page.get_by_role("link", name="See it in Call Logs").click()
    row = page.locator(".log-table tbody tr").filter(has_text=receipt)
    expect(row.locator("td").nth(3)).to_have_text("+500")
    expect(row.locator("td").nth(4)).to_have_text(f"Top-up of 500 credits, receipt {receipt}")


@pytest.mark.broker
def test_a_declined_payment_is_tried_again(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner)
    home(page, customer)
    begin(page, customer)
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_role("heading", name="The payment was declined")).to_be_visible()
    expect(page.get_by_text("insufficient funds")).to_be_visible()
    page.get_by_role("link", name="Try again").click()
    page.get_by_role("button", name=PAY).click()
    page.get_by_role("button", name="Pay INR 5,999").click()
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible()
    states = [state_of(each) for each in begun_here()]
    assert states == [TopUpState.FAILED, TopUpState.CREDITED]


@pytest.mark.broker
def test_a_double_click_buys_once(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner)
    home(page, customer)
    choose(page, customer)
    # Both at the same moment, as only a script can.
    page.evaluate(
        """() => {
          const form = document.querySelector("main form");
          const send = () => fetch(form.action, {method: "POST", body: new FormData(form)});
          return Promise.all([send(), send(), send()]).then(() => true);
        }"""
    )
    page.get_by_role("button", name=PAY).dblclick()
    page.get_by_role("button", name="Pay INR 5,999").dblclick()
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible()
    assert begun_here().count() == 1
    assert LedgerEntry.objects.filter(reference=f"top-up:{begun_here().get().pk}").count() == 1


@pytest.mark.broker
def test_the_back_button_and_a_second_tab_do_not_buy_again(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner)
    home(page, customer)
    choose(page, customer)
    second = page.context.new_page()
    second.goto(page.url)
    page.get_by_role("button", name=PAY).click()
    page.get_by_role("button", name="Pay INR 5,999").click()
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible()
    second.get_by_role("button", name=PAY).click()
    expect(second.get_by_role("heading", name="500 credits added")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="This was paid")).to_be_visible()
    assert begun_here().count() == 1


@pytest.mark.broker
def test_it_works_without_scripts(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner, java_script_enabled=False)
    home(page, customer)
    begin(page, customer)
    page.get_by_role("button", name="Pay INR 5,999").click()
    # The page loads itself again every few seconds.
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible(timeout=15_000)


@pytest.mark.broker
def test_a_report_that_is_lost_is_made_up_for_by_asking(
    open_page: Open, customer: Account, owner: User, celery_worker: object
):
    page = open_page(user=owner)
    home(page, customer)
    begin(page, customer)
    page.get_by_text("How the payment behaves").click()
    page.get_by_label("Do not report at all").check()
    page.get_by_role("button", name="Pay INR 5,999").click()
    expect(page.get_by_role("heading", name="500 credits added")).to_be_visible()


def test_leaving_without_paying_can_be_continued_or_cancelled(
    open_page: Open, customer: Account, owner: User
):
    page = open_page(user=owner)
    home(page, customer)
    begin(page, customer)
    page.get_by_role("link", name="Leave without paying").click()
    expect(page.get_by_role("heading", name="You left before paying")).to_be_visible()
    page.get_by_role("link", name="Continue to payment").click()
    page.get_by_role("link", name="Leave without paying").click()
    page.get_by_role("button", name="Cancel this top-up").click()
    expect(page.get_by_role("heading", name="Cancelled, nothing was charged")).to_be_visible()
    assert state_of(begun_here().get()) == TopUpState.CANCELLED


def test_typing_a_number_means_that_number(open_page: Open, customer: Account, owner: User):
    page = open_page(user=owner)
    page.goto(reverse("dashboard:top_up", args=[customer.slug]))
    page.get_by_label("500 credits INR 5,999").check()
    page.get_by_label("Number of credits", exact=True).fill("1,000")
    page.get_by_role("button", name="Continue to review").click()
    expect(page.get_by_role("button", name="Pay INR 11,998 for 1,000 credits")).to_be_visible()


@pytest.mark.parametrize(
    ("typed", "price"),
    [
        (
            "1,000",
            "INR 14,157.64 for 1,000 credits, 18 % GST included: "
            "the price of 2 packs of 500, before tax",
        ),
        ("11", "INR 207.68 for 11 credits, 18 % GST included: INR 16 per credit, before tax"),
        ("9", ""),
        ("100,001", ""),
        ("12.5", ""),
    ],
)
def test_an_own_number_shows_its_price_while_it_is_typed(
    open_page: Open, customer: Account, owner: User, typed: str, price: str
):
    TopUpPricing.objects.update(tax_name="GST", tax_basis_points=1_800)
    page = open_page(user=owner)
    page.goto(reverse("dashboard:top_up", args=[customer.slug]))
    page.get_by_label("Number of credits", exact=True).fill(typed)
    expect(page.locator("output")).to_have_text(price)
    if price:
        page.get_by_role("button", name="Continue to review").click()
        agreed, _, _ = price.partition(", 18 % GST included")
        expect(page.get_by_role("button", name=f"Pay {agreed}")).to_be_visible()


def every_state(account: Account, owner: User) -> dict[str, str]:
    """A top-up in each state, and the addresses that show it."""
    now = timezone.now()
    addresses = {}

    def begun(name: str) -> Payment:
        payment = buying.start(
            account=account,
            user_id=None,
            email=owner.email,
            quoted=pricing.quote(account=account, credits=500),
            form_key=name,
            return_url="http://localhost/{id}/",
            now=now,
        )
        public_id = payment.top_up.public_id
        addresses[name] = reverse("dashboard:top_up_status", args=[account.slug, public_id])
        return payment

    def settled(name: str, status: PaymentStatus, **more: object) -> Payment:
        payment = begun(name)
        facts = checkout_facts(payment, status=status, **more)
        return settling.settle(payment_pk=payment.pk, facts=facts, now=now)

    waiting = begun("waiting")
    addresses["confirming"] = f"{addresses['waiting']}?returned=1"
    addresses["confirming-long"] = f"{addresses['confirming']}&since=1"
    addresses["left"] = f"{addresses['waiting']}?returned=cancelled"
    addresses["sandbox"] = waiting.checkout_url
    credited = settled("credited", PaymentStatus.PAID)
    settled("declined", PaymentStatus.FAILED, reason="The card was declined. " * 9)
    cancelled = settled("cancelled", PaymentStatus.CANCELLED)
    settled("expired", PaymentStatus.EXPIRED)
    settled("checking", PaymentStatus.PAID, amount_minor=1)
    refunded = settled("refunded", PaymentStatus.PAID)
    facts = refund_facts(refunded, refunded.top_up.total_minor)
    settling.settle(payment_pk=refunded.pk, facts=facts, now=now)
    Payment.objects.filter(pk=begun("unopened").pk).update(checkout_url="", checkout_id="")
    buying.cancel(payment=cancelled, now=now)
    addresses["sandbox-closed"] = cancelled.checkout_url
    addresses["top-ups"] = reverse("dashboard:top_ups", args=[account.slug])
    addresses["receipt"] = reverse(
        "dashboard:receipt", args=[account.slug, credited.top_up.public_id]
    )
    return addresses


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_every_state_is_readable_and_fits(
    open_page: Open, customer: Account, owner: User, theme: str, width: int
):
    page = open_page(user=owner, color_scheme=theme, viewport={"width": width, "height": 900})
    bring_axe(page)
    faults = {}
    for name, address in every_state(customer, owner).items():
        page.goto(address)
        page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
        results = faults_of(page)
        if results.violations_count:
            faults[name] = results.generate_report()
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults[f"{name} is too wide"] = address
    assert faults == {}


def test_a_currency_without_prices_is_readable(
    open_page: Open, customer: Account, owner: User, assert_accessible
):
    Account.objects.update(currency="SEK")
    page = open_page(user=owner)
    page.goto(reverse("dashboard:top_up", args=[customer.slug]))
    expect(page.get_by_role("heading", level=2).first).to_have_text(
        "Top-ups in SEK are not on sale yet"
    )
    assert_accessible(page)
