"""An operator opens accounts, looks after their people, and sees how each stands."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import (
    Account,
    Activity,
    ActivityKind,
    CreditThreshold,
    DailyUsage,
    Membership,
    Plan,
    Role,
    User,
)
from billing.notices import warnings
from billing.plans.cycles import add_months
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import agreement_at
from tests.dashboard.operations.conftest import call_of, credits_of
from tests.factories import AccountFactory, UserFactory

LIST = "/admin/billing/account/"


def page(account: Account) -> str:
    return f"{LIST}{account.pk}/change/"


def filled(account: Account, **changes: Any) -> dict[str, Any]:
    """The account's form as a browser sends it, with its members."""
    members = list(account.memberships.order_by("pk"))
    data = {
        "name": account.name,
        "slug": account.slug,
        "time_zone": account.time_zone,
        "currency": account.currency,
        "memberships-TOTAL_FORMS": len(members),
        "memberships-INITIAL_FORMS": len(members),
    }
    for number, member in enumerate(members):
        prefix = f"memberships-{number}"
        data |= {
            f"{prefix}-id": member.pk,
            f"{prefix}-account": account.pk,
            f"{prefix}-user": member.user_id,
            f"{prefix}-role": member.role,
        }
    return {**data, **changes}


# ── Opening ───────────────────────────────────────────────────────────────────────────────────
def new_account(first_plan: Plan, email: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "New Company",
        "slug": "new-company",
        "time_zone": "Europe/London",
        "currency": "GBP",
        "plan": first_plan.pk,
        "owner": email,
        **changes,
    }


def test_a_new_account_has_its_plan_its_credits_and_its_owner(
    staff: Client, base: Plan, customer: Account
) -> None:
    call_of(customer, "the first steps are over")
    person = UserFactory()
    response = staff.post(f"{LIST}add/", new_account(base, person.email))
    account = Account.objects.get(slug="new-company")
    assert response["Location"] == page(account)
    assert credits_of(account) == 100
    assert [s.plan for s in account.subscriptions.all()] == [base]
    assert [(m.user, m.role) for m in account.memberships.all()] == [(person, Role.SUPERADMIN)]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "required"),
        ("slug", "two words", "valid “slug”"),
        ("slug", "acme", "already exists"),
        ("time_zone", "Mars/Olympus", "is not a time zone"),
        ("time_zone", "localtime", "is not a time zone"),
        ("time_zone", "", "required"),
        ("currency", "rupees", "at most 3 characters"),
        ("currency", "inr", "Three capital letters"),
        ("currency", "XYZ", "ISO 4217"),
        ("plan", "999999", "not one of the available choices"),
        ("owner", "", "required"),
        ("owner", "nobody", "valid email"),
        ("owner", '"\x7f"@example.com', "Write an address like"),
    ],
)
def test_a_wrong_account_is_refused_beside_its_field(
    staff: Client, base: Plan, account: Account, field: str, value: str, said: str
) -> None:
    response = staff.post(f"{LIST}add/", new_account(base, UserFactory().email, **{field: value}))
    assert said in str(response.context["adminform"].form.errors[field])
    assert Account.objects.count() == 1


def test_a_new_account_may_have_terms_of_its_own(staff: Client) -> None:
    enterprise = Plan.objects.get(name="Enterprise")
    terms = {
        "increment_seconds": "6",
        "credits_per_increment": "1",
        "credits_per_cycle": "9000",
        "price": "500",
    }
    staff.post(f"{LIST}add/", new_account(enterprise, UserFactory().email, **terms))
    account = Account.objects.get(slug="new-company")
    in_force = agreement_at(account=account, at=timezone.now()).terms
    assert (in_force.increment_seconds, in_force.prices) == (6, {"GBP": 50_000})
    assert (account.currency, credits_of(account)) == ("GBP", 9_000)


def test_a_new_account_with_half_of_its_terms_is_refused_beside_the_other_half(
    staff: Client, base: Plan
) -> None:
    half = new_account(base, UserFactory().email, increment_seconds="6")
    found = staff.post(f"{LIST}add/", half).context["adminform"].form.errors
    assert found.keys() == {"credits_per_increment"}
    assert not Account.objects.exists()


def test_a_start_in_the_past_says_what_it_grants_before_anything_is_saved(
    staff: Client, base: Plan
) -> None:
    now = timezone.now()
    start = add_months(now, -3, ZoneInfo("Europe/London")).astimezone(ZoneInfo("Europe/London"))
    asked = new_account(base, UserFactory().email, starts_at=f"{start:%Y-%m-%dT%H:%M}")
    response = staff.post(f"{LIST}add/", asked)
    form = response.context["adminform"].form
    [said] = form.errors["starts_at"]
    assert said.startswith("The credits of 4 billing cycles are granted: the first began on ")
    assert "Of 400 credits, 300 will have expired and 100 can be used. Save again" in said
    page = response.content.decode()
    assert "Nothing is saved yet." in page
    assert "Please correct" not in page
    assert not Account.objects.exists()
    told = form["seen"].value()
    staff.post(f"{LIST}add/", {**asked, "seen": told, "plan": Plan.objects.get(order=2).pk})
    assert not Account.objects.exists()  # another plan grants something else
    staff.post(f"{LIST}add/", {**asked, "seen": told})
    account = Account.objects.get(slug="new-company")
    assert credits_of(account) == 100
    assert account.subscriptions.get().effective_from == start.replace(second=0, microsecond=0)
    assert account.created_at >= now


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("2099-01-01T00:00", "This is in the future. Leave it empty to begin now"),
        ("1999-01-01T00:00", "more than 10 years ago"),
        ("2026-02-30T00:00", "There is no such day or time"),
        ("2026-03-29T01:30", "which never comes, because the clocks"),
    ],
)
def test_a_start_that_can_not_be_is_refused_beside_its_field(
    staff: Client, base: Plan, start: str, said: str
) -> None:
    response = staff.post(f"{LIST}add/", new_account(base, UserFactory().email, starts_at=start))
    assert said in str(response.context["adminform"].form.errors["starts_at"])
    assert not Account.objects.exists()


# ── Changing ──────────────────────────────────────────────────────────────────────────────────
def test_another_time_zone_moves_calls_to_their_new_days(
    staff: Client, customer: Account, owner: User
) -> None:
    call_of(customer, "late", started_at=datetime(2026, 3, 1, 20, 0, tzinfo=UTC))
    calls = DailyUsage.objects.filter(account=customer, kind="call")
    assert calls.get().day == date(2026, 3, 2)  # Asia/Kolkata
    response = staff.post(page(customer), filled(customer, time_zone="Europe/London"))
    assert response.status_code == 302
    assert calls.get().day == date(2026, 3, 1)


@pytest.mark.parametrize("day", ["2026-07-09", "2026-07-10"])
def test_after_a_move_to_central_european_time_tiles_and_log_agree(
    staff: Client, customer: Account, owner: User, day: str
) -> None:
    call_of(customer, "9 July", started_at=datetime(2026, 7, 9, 21, 59, tzinfo=UTC))
    call_of(customer, "10 July", started_at=datetime(2026, 7, 9, 22, 30, tzinfo=UTC))
    staff.post(page(customer), filled(customer, time_zone="CET"))
    staff.force_login(owner)
    response = staff.get(f"/a/{customer.slug}/billing/usage/?period=custom&from={day}&to={day}")
    shown = response.context["usage"]
    assert (shown.totals.total_calls, len(shown.rows)) == (1, 1)


def test_a_zone_that_is_no_place_is_not_offered_but_kept_where_an_account_has_it(
    staff: Client, customer: Account, owner: User
) -> None:
    def offered() -> set[str]:
        form = staff.get(page(customer)).context["adminform"].form
        return {name for name, _ in form.fields["time_zone"].widget.choices}

    assert "Europe/London" in offered()
    assert "Factory" not in offered()
    Account.objects.filter(pk=customer.pk).update(time_zone="Factory")
    customer.refresh_from_db()
    assert "Factory" in offered()
    response = staff.post(page(customer), filled(customer, name="Acme Voice Ltd"))
    assert response.status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.time_zone) == ("Acme Voice Ltd", "Factory")
    staff.post(page(customer), filled(customer, time_zone="Europe/London"))
    customer.refresh_from_db()
    assert customer.time_zone == "Europe/London"


def test_other_changes_of_an_account_leave_its_balance_alone(
    staff: Client, customer: Account, owner: User
) -> None:
    staff.post(page(customer), filled(customer, name="Acme Voice Ltd"))
    customer.refresh_from_db()
    assert (customer.name, credits_of(customer)) == ("Acme Voice Ltd", 100)


def test_the_company_on_receipts_is_changed_and_noted(
    staff: Client, customer: Account, owner: User
) -> None:
    company = {
        "company_name": "Acme  Voice\u00a0Ltd ",
        "company_address": "1 High Street\r\n\r\n Leeds ",
        "tax_number": "GB123456789",
    }
    staff.post(page(customer), filled(customer, **company))
    customer.refresh_from_db()
    assert customer.company_name == "Acme Voice Ltd"
    assert customer.company_address == "1 High Street\nLeeds"
    noted = Activity.objects.get(account=customer, kind=ActivityKind.ACCOUNT_CHANGED)
    assert len(noted.changes) == 3


@pytest.mark.parametrize("field", ["company_name", "tax_number"])
def test_a_wrong_company_is_refused_beside_its_field(
    staff: Client, customer: Account, field: str
) -> None:
    response = staff.post(page(customer), filled(customer, **{field: "x" * 201}))
    assert [*response.context["adminform"].form.errors] == [field]


def test_an_account_cannot_be_deleted(staff: Client, account: Account) -> None:
    response = staff.post(f"{LIST}{account.pk}/delete/", {"post": "yes"})
    assert response.status_code == 403
    assert Account.objects.filter(pk=account.pk).exists()


# ── Members ───────────────────────────────────────────────────────────────────────────────────
def test_a_member_is_added_with_a_role(staff: Client, account: Account, owner: User) -> None:
    person = UserFactory()
    added = {
        "memberships-TOTAL_FORMS": 2,
        "memberships-1-account": account.pk,
        "memberships-1-user": person.pk,
        "memberships-1-role": "admin",
    }
    staff.post(page(account), filled(account, **added))
    assert Membership.objects.get(user=person).role == Role.ADMIN


def test_a_person_can_belong_to_several_accounts(
    staff: Client, account: Account, owner: User, outsider: User
) -> None:
    added = {
        "memberships-TOTAL_FORMS": 2,
        "memberships-1-account": account.pk,
        "memberships-1-user": outsider.pk,
        "memberships-1-role": "member",
    }
    staff.post(page(account), filled(account, **added))
    assert outsider.memberships.count() == 2


@pytest.mark.parametrize(
    "change", [{"memberships-0-role": "member"}, {"memberships-0-DELETE": "on"}]
)
def test_the_last_superadmin_stays(
    staff: Client, account: Account, owner: User, change: dict[str, str]
) -> None:
    response = staff.post(page(account), filled(account, **change))
    assert "Leave at least one superadmin" in response.content.decode()
    assert account.memberships.get().role == Role.SUPERADMIN


def test_an_unknown_role_is_refused(staff: Client, account: Account, owner: User) -> None:
    response = staff.post(page(account), filled(account, **{"memberships-0-role": "king"}))
    assert "Select a valid choice. king is not one" in response.content.decode()


@pytest.mark.parametrize("forged", ["abc", "-1", "9" * 30])
def test_a_forged_member_is_refused_beside_the_field(
    staff: Client, account: Account, owner: User, forged: str
) -> None:
    added = {"memberships-TOTAL_FORMS": 2, "memberships-1-user": forged}
    response = staff.post(page(account), filled(account, **added))
    assert response.status_code == 200
    formset = response.context["inline_admin_formsets"][0].formset
    assert "Select a valid choice" in str(formset.errors[1]["user"])


def test_a_first_superadmin_whose_sign_in_is_switched_off_is_refused(
    staff: Client, base: Plan, owner: User
) -> None:
    User.objects.filter(pk=owner.pk).update(is_active=False)
    response = staff.post(f"{LIST}add/", new_account(base, owner.email))
    assert "is switched off" in str(response.context["adminform"].form.errors["owner"])


def test_nobody_is_twice_in_an_account(staff: Client, account: Account, owner: User) -> None:
    added = {
        "memberships-TOTAL_FORMS": 2,
        "memberships-1-account": account.pk,
        "memberships-1-user": owner.pk,
        "memberships-1-role": "admin",
    }
    response = staff.post(page(account), filled(account, **added))
    assert response.status_code == 200
    assert account.memberships.count() == 1


# ── Looking ───────────────────────────────────────────────────────────────────────────────────
def test_the_page_shows_how_the_account_stands(staff: Client, customer: Account) -> None:
    call_of(customer, "c-1", seconds=41 * 60)
    context = staff.get(page(customer)).context
    facts = {name: str(value) for name, value in context["facts"]}
    assert facts["Credits"] == "18"
    assert "Low" in facts["State"]
    assert facts["Plan"] == "Base, 2 per 60 s"


def test_credits_are_low_by_the_accounts_own_warnings(staff: Client, customer: Account) -> None:
    def shown_low() -> list[bool]:
        pages = [staff.get(at).content.decode() for at in (page(customer), LIST)]
        return [bool(re.search(r"<span[^>]*>\s*Low\s*<", shown)) for shown in pages]

    call_of(customer, "c-1", seconds=41 * 60)
    assert shown_low() == [True, True]
    warnings.watch(account=customer, now=timezone.now())
    assert shown_low() == [True, True]
    CreditThreshold.objects.filter(account=customer).delete()
    assert shown_low() == [False, False]


def test_a_debt_is_shown(staff: Client, customer: Account) -> None:
    call_of(customer, "c-1", seconds=3600)
    facts = {name: str(value) for name, value in staff.get(page(customer)).context["facts"]}
    assert (facts["Credits"], facts["Debt"]) == ("−20", "20")


def test_the_page_shows_the_latest_20_entries(staff: Client, customer: Account) -> None:
    for number in range(21):
        call_of(customer, f"c-{number}", seconds=1)
    rows = staff.get(page(customer)).context["entries_table"]["rows"]
    assert (len(rows), rows[0][1:4]) == (20, ["Call", "−2", "58"])


def test_an_account_without_plan_or_balance_has_a_page(staff: Client, account: Account) -> None:
    facts = {name: str(value) for name, value in staff.get(page(account)).context["facts"]}
    assert facts["Plan"] == "none: its calls can’t be charged"


def names(response: Any) -> list[str]:
    return [account.name for account in response.context["cl"].result_list]


@pytest.fixture
def three_accounts(base: Plan, professional: Plan) -> None:
    now = timezone.now()
    ok, debt, none = (AccountFactory(name=name) for name in ("Fine", "Indebted", "Nothing"))
    subscribe(account=ok, plan=professional, at=now - timedelta(days=1))
    subscribe(account=debt, plan=base, at=now - timedelta(days=1))
    call_of(debt, "long", seconds=3600)
    assert none.pk


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["Fine", "Indebted", "Nothing"]),
        ({"q": "debt"}, ["Indebted"]),
        ({"state": "negative"}, ["Indebted"]),
        ({"state": "zero"}, ["Nothing"]),
        ({"state": "ok"}, ["Fine"]),
        ({"state": "nonsense"}, ["Fine", "Indebted", "Nothing"]),
        ({"plan": "nonsense"}, ["Fine", "Indebted", "Nothing"]),
    ],
)
def test_accounts_are_found(
    staff: Client, three_accounts: None, query: dict[str, str], found: list[str]
) -> None:
    assert names(staff.get(LIST, query)) == found


def test_accounts_are_found_by_the_plan_they_are_on_now(
    staff: Client, three_accounts: None, base: Plan, professional: Plan
) -> None:
    left = Account.objects.get(name="Fine")
    subscribe(account=left, plan=base, at=timezone.now())
    assert names(staff.get(LIST, {"plan": professional.pk})) == []
    assert names(staff.get(LIST, {"plan": base.pk})) == ["Fine", "Indebted"]


def test_the_list_needs_as_many_queries_for_thirty_accounts_as_for_three(
    staff: Client, three_accounts: None, base: Plan
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            staff.get(LIST)
        return len(counted)

    few = queries()
    for _ in range(27):
        subscribe(account=AccountFactory(), plan=base, at=timezone.now())
    assert queries() == few


def test_a_member_is_found_by_autocomplete(staff: Client, owner: User) -> None:
    response = staff.get(
        "/admin/autocomplete/",
        {"app_label": "billing", "model_name": "membership", "field_name": "user", "term": "own"},
    )
    assert [found["id"] for found in response.json()["results"]] == [str(owner.pk)]


@pytest.mark.parametrize("persona", ["owner", "admin", "member", "outsider"])
def test_customers_see_no_account_here(
    client: Client, account: Account, persona: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(persona))
    for address in (LIST, page(account), f"{LIST}{account.pk}/adjust/"):
        assert client.get(address).status_code == 302


def test_the_fields_of_a_member_have_names(staff: Client, account: Account, owner: User):
    page = staff.get(f"/admin/billing/account/{account.pk}/change/").content.decode()
    for name, label in (("role", "Role"), ("wants_credit_mails", "Mails about credits")):
        field = re.search(rf'<(?:select|input)[^>]*name="memberships-0-{name}"[^>]*>', page)
        assert field is not None
        assert f'aria-label="{label}"' in field[0]
