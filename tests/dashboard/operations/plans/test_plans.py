"""An operator changes what plans cost: by new terms from a date, never by rewriting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from billing.models import Account, Plan, PlanTerms, User
from billing.plans.subscriptions import subscribe
from billing.plans.terms import change_terms
from calls.models import Call
from tests.dashboard.operations.conftest import call_of

pytestmark = pytest.mark.django_db

FUTURE = datetime(2031, 1, 1, 9, 30, tzinfo=UTC)


def filled(plan: Plan, **changes: Any) -> dict[str, Any]:
    """The form of ``plan`` as a browser sends it, untouched but for ``changes``."""
    terms = plan.terms.filter(effective_from__lte=timezone.now()).first()
    assert terms is not None
    return {
        "name": plan.name,
        "description": plan.description,
        "order": plan.order,
        "is_active": "on",
        "prices": "INR 1,999",
        "credits_per_cycle": terms.credits_per_cycle,
        "increment_seconds": terms.increment_seconds,
        "credits_per_increment": terms.credits_per_increment,
        "concurrent_calls": terms.concurrent_calls,
        "effective_from": "",
        "based_on": terms.pk,
        **changes,
    }


def page(plan: Plan) -> str:
    return f"/admin/billing/plan/{plan.pk}/change/"


def errors(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 200, response
    return dict(response.context["adminform"].form.errors)


def test_the_form_starts_with_the_numbers_in_force(staff: Client, base: Plan) -> None:
    form = staff.get(page(base)).context["adminform"].form
    assert {name: str(form[name].value()) for name in ("increment_seconds", "prices")} == {
        "increment_seconds": "60",
        "prices": "INR 1,999",
    }


def test_other_numbers_become_new_terms_from_now(staff: Client, base: Plan) -> None:
    before = timezone.now()
    response = staff.post(page(base), filled(base, credits_per_increment=3), follow=True)
    latest = base.terms.first()
    assert latest is not None
    assert (latest.credits_per_increment, latest.increment_seconds) == (3, 60)
    assert before <= latest.effective_from <= timezone.now()
    assert base.terms.count() == 2
    assert "Calls that started earlier keep their charge" in response.content.decode()


def test_the_terms_that_were_in_force_stay_as_they_were(staff: Client, base: Plan) -> None:
    old = PlanTerms.objects.filter(plan=base).values()
    kept = list(old)
    staff.post(page(base), filled(base, increment_seconds=15, prices="INR 2500"))
    assert list(old.filter(pk=kept[0]["id"])) == kept


def test_prices_are_stored_in_minor_units_of_each_currency(staff: Client, base: Plan) -> None:
    staff.post(page(base), filled(base, prices="INR 2,499.50\r\nGBP 24\r\n\r\nJPY 4500\r\n"))
    latest = base.terms.first()
    assert latest is not None
    assert latest.prices == {"INR": 249_950, "GBP": 2_400, "JPY": 4_500}
    shown = staff.get("/admin/billing/plan/").content.decode()
    assert "GBP 24 · INR 2,499.50 · JPY 4,500" in shown


def test_a_price_in_another_currency_makes_new_terms_and_none_at_all_means_as_agreed(
    staff: Client, base: Plan
) -> None:
    staff.post(page(base), filled(base, prices="INR 1,999\r\nGBP 19"))
    staff.post(page(base), filled(base, prices=""))
    assert [terms.prices for terms in base.terms.all()] == [
        {},
        {"INR": 199_900, "GBP": 1_900},
        {"INR": 199_900},
    ]


def test_saving_without_other_numbers_adds_no_terms(staff: Client, base: Plan) -> None:
    staff.post(page(base), filled(base, description="For a first agent."))
    base.refresh_from_db()
    assert (base.description, base.terms.count()) == ("For a first agent.", 1)


def test_terms_can_be_planned_for_a_later_time(staff: Client, base: Plan) -> None:
    staff.post(page(base), filled(base, credits_per_cycle=200, effective_from="2031-01-01T09:30"))
    planned = base.terms.first()
    assert planned is not None
    assert (planned.effective_from, planned.credits_per_cycle) == (FUTURE, 200)


def test_a_minute_ago_means_now(staff: Client, base: Plan) -> None:
    a_minute_ago = timezone.now() - timedelta(minutes=1)
    staff.post(
        page(base),
        filled(base, increment_seconds=15, effective_from=a_minute_ago.strftime("%Y-%m-%dT%H:%M")),
    )
    assert base.terms.first().effective_from > a_minute_ago  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("increment_seconds", "0", "greater than or equal to 1"),
        ("increment_seconds", "-30", "greater than or equal to 1"),
        ("increment_seconds", "1000000000000", "less than or equal to 86400"),
        ("increment_seconds", "", "required"),
        ("increment_seconds", "1.5", "whole number"),
        ("increment_seconds", "thirty", "whole number"),
        ("credits_per_increment", "0", "greater than or equal to 1"),
        ("credits_per_increment", "1000000000000", "less than or equal to 1000000"),
        ("credits_per_increment", "", "required"),
        ("credits_per_cycle", "-1", "greater than or equal to 0"),
        ("credits_per_cycle", "1000000000000", "less than or equal to 1000000000"),
        ("concurrent_calls", "0", "greater than or equal to 1"),
        ("prices", "INR -1", "“INR -1” is no price: write a currency and an amount"),
        ("prices", "INR 1999.001", "INR has 2 decimals"),
        ("prices", "INR NaN", "is no price"),
        ("prices", "INR ,", "is no price"),
        ("prices", "1999", "is no price"),
        ("prices", "rupees 5", "is no price"),
        ("prices", "XYZ 5", "ISO 4217"),
        ("prices", "INR 5\nINR 6", "two prices in INR"),
        ("prices", "INR 9999999999999", "too much"),
        ("effective_from", "2020-01-01T00:00", "This is in the past"),
        ("effective_from", "0001-01-01T00:00", "This is in the past"),
        ("effective_from", "9999-12-31T23:59", "more than 5 years ahead"),
        ("effective_from", "tomorrow", "no such day or time"),
        ("name", "", "required"),
        ("name", "Professional", "already exists"),
    ],
)
def test_odd_input_is_refused_beside_its_field(
    staff: Client, base: Plan, field: str, value: str, said: str
) -> None:
    response = staff.post(page(base), filled(base, **{field: value}))
    assert said in " ".join(errors(response)[field])
    assert base.terms.count() == 1


def test_two_terms_cannot_begin_at_the_same_instant(staff: Client, base: Plan) -> None:
    twice = filled(base, credits_per_increment=5, effective_from="2031-01-01T09:30")
    staff.post(page(base), twice)
    response = staff.post(page(base), {**twice, "credits_per_increment": 6})
    assert "Other terms begin at exactly" in errors(response)["effective_from"][0]
    assert base.terms.count() == 2


def test_terms_that_somebody_changed_meanwhile_are_not_overwritten(
    staff: Client, base: Plan
) -> None:
    stale = filled(base, description="New words")
    staff.post(page(base), filled(base, credits_per_increment=9))
    response = staff.post(page(base), stale)
    assert "changed while you had this page open" in errors(response)["__all__"][0]
    assert base.terms.first().credits_per_increment == 9  # type: ignore[union-attr]
    again = {**stale, "based_on": response.context["adminform"].form["based_on"].value()}
    staff.post(page(base), again)
    assert base.terms.first().credits_per_increment == 2  # type: ignore[union-attr]


def test_a_new_plan_has_its_first_terms_at_once(staff: Client) -> None:
    base = Plan.objects.get(name="Base")
    staff.post(
        "/admin/billing/plan/add/",
        filled(base, name="Trial", credits_per_cycle=10, increment_seconds=1, based_on=""),
    )
    terms = PlanTerms.objects.get(plan__name="Trial")
    assert (terms.increment_seconds, terms.credits_per_cycle) == (1, 10)


def test_the_page_shows_what_typical_calls_cost_in_force(staff: Client, base: Plan) -> None:
    rows = staff.get(page(base)).context["terms_table"]["rows"]
    assert [str(cell) for cell in rows[0]] == [
        "In force",
        "1 Jan 2000, 00:00 UTC",
        "INR 1,999",
        "100",
        "2 per 60 s",
        "2",
        "4",
        "10",
        "1",
    ]


@pytest.mark.parametrize(
    ("increment", "credits", "costs"),
    [(60, 2, ["2", "4", "10"]), (30, 1, ["1", "3", "10"]), (6, 1, ["4", "11", "50"])],
)
def test_the_preview_says_what_typical_calls_would_cost(
    staff: Client, increment: int, credits: int, costs: list[str]
) -> None:
    html = staff.get(
        "/admin/billing/plan/preview/",
        {"increment_seconds": increment, "credits_per_increment": credits},
    ).content.decode()
    for cost in costs:
        assert f'<strong class="text-important">{cost} credit' in html


@pytest.mark.parametrize(
    "query", [{}, {"increment_seconds": "0"}, {"increment_seconds": "x" * 999}]
)
def test_the_preview_of_what_is_no_tariff_yet_is_empty(
    staff: Client, query: dict[str, str]
) -> None:
    response = staff.get("/admin/billing/plan/preview/", query)
    assert (response.status_code, b"<strong" in response.content) == (200, False)


def test_the_preview_is_for_staff(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get("/admin/billing/plan/preview/").status_code == 302


# ── Planned terms ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def planned(base: Plan) -> PlanTerms:
    return change_terms(
        plan=base,
        terms=PlanTerms(increment_seconds=30, credits_per_increment=2, credits_per_cycle=150),
        effective_from=FUTURE,
        now=datetime(2030, 1, 1, tzinfo=UTC),
    )


def planned_page(terms: PlanTerms, action: str = "change") -> str:
    return f"/admin/billing/planterms/{terms.pk}/{action}/"


def filled_planned(terms: PlanTerms, **changes: Any) -> dict[str, Any]:
    return {
        "increment_seconds": terms.increment_seconds,
        "credits_per_increment": terms.credits_per_increment,
        "credits_per_cycle": terms.credits_per_cycle,
        "effective_from": "2031-01-01T09:30:00",
        "based_on": terms.pk,
        **changes,
    }


def test_planned_terms_can_be_changed(staff: Client, planned: PlanTerms) -> None:
    staff.post(planned_page(planned), filled_planned(planned, increment_seconds=20))
    planned.refresh_from_db()
    assert (planned.increment_seconds, planned.effective_from) == (20, FUTURE)


def test_planned_terms_can_be_deleted(staff: Client, planned: PlanTerms) -> None:
    staff.post(planned_page(planned, "delete"), {"post": "yes"})
    assert not PlanTerms.objects.filter(pk=planned.pk).exists()


def test_planned_terms_cannot_be_moved_into_the_past(staff: Client, planned: PlanTerms) -> None:
    response = staff.post(
        planned_page(planned), filled_planned(planned, effective_from="2020-01-01T00:00")
    )
    assert "This is in the past" in errors(response)["effective_from"][0]


def test_terms_in_force_are_shown_read_only(staff: Client, base: Plan) -> None:
    response = staff.get(planned_page(base.terms.get()))
    assert response.status_code == 200
    assert b'name="increment_seconds"' not in response.content


@pytest.mark.parametrize(("action", "data"), [("change", {}), ("delete", {"post": "yes"})])
def test_a_forged_edit_of_terms_in_force_is_refused(
    staff: Client, base: Plan, action: str, data: dict[str, str]
) -> None:
    terms = base.terms.get()
    forged = {**filled_planned(terms, increment_seconds=1), **data}
    assert staff.post(planned_page(terms, action), forged).status_code == 403
    terms.refresh_from_db()
    assert terms.increment_seconds == 60


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_plan_in_use_is_not_deleted_and_the_reason_names_the_accounts(
    staff: Client, base: Plan, account: Account, method: str
) -> None:
    subscribe(account=account, plan=base, at=timezone.now())
    address = f"/admin/billing/plan/{base.pk}/delete/"
    response = getattr(staff, method)(address, {"post": "yes"}, follow=True)
    assert "history of these accounts refers to it: Acme Voice." in response.content.decode()
    assert Plan.objects.filter(pk=base.pk).exists()


def test_an_unused_plan_is_deleted_with_its_terms(staff: Client, base: Plan) -> None:
    assert staff.get(f"/admin/billing/plan/{base.pk}/delete/").status_code == 200
    staff.post(f"/admin/billing/plan/{base.pk}/delete/", {"post": "yes"})
    assert not PlanTerms.objects.filter(plan_id=base.pk).exists()
    assert not Plan.objects.filter(name="Base").exists()


# ── The whole way ─────────────────────────────────────────────────────────────────────────────
def test_an_edited_plan_charges_the_next_call_and_not_the_last(
    staff: Client, customer: Account, base: Plan
) -> None:
    call_of(customer, "before", seconds=65)
    staff.post(page(base), filled(base, increment_seconds=30, credits_per_increment=3))
    call_of(customer, "after", seconds=65, started_at=timezone.now())
    call_of(customer, "late-record", seconds=65, started_at=timezone.now() - timedelta(days=1))
    charges = Call.objects.order_by("call_id").values_list("call_id", "credits")
    assert list(charges) == [("after", 9), ("before", 4), ("late-record", 4)]
    call_command("audit_ledger")
