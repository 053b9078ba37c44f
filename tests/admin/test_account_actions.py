"""An operator posts adjustments, changes plans and agrees terms, from the account's page."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from billing.models import Account, CreditGrant, CustomTerms, Kind, LedgerEntry, Plan, Subscription
from billing.plans import TermsError, agree_terms
from billing.subscriptions import renew, subscribe
from billing.tariffs import agreement_at
from calls.models import Call
from tests.admin.conftest import call_of, credits_of


def page(account: Account, action: str) -> str:
    return f"/admin/billing/account/{account.pk}/{action}/"


def errors(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return dict(response.context["form"].errors)


# ── Adjustments ───────────────────────────────────────────────────────────────────────────────
def adjustment(**changes: Any) -> dict[str, Any]:
    return {"credits": "50", "reason": "Goodwill", "expires_on": "", "key": str(uuid4()), **changes}


def posted(account: Account) -> list[tuple[int, str]]:
    entries = LedgerEntry.objects.filter(account=account, kind=Kind.ADJUSTMENT).order_by("seq")
    return list(entries.values_list("credits", "remarks"))


@pytest.mark.parametrize(("credits", "balance"), [("50", 150), ("-30", 70), ("-130", -30)])
def test_an_adjustment_adds_or_takes_credits(
    staff: Client, customer: Account, credits: str, balance: int
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(credits=credits))
    assert response.status_code == 302
    assert posted(customer) == [(int(credits), "Goodwill")]
    assert credits_of(customer) == balance


@pytest.mark.parametrize(("credits", "said"), [("1", "Posted +1 credit: "), ("-1", "Posted −1 ")])
def test_one_credit_is_not_called_credits(
    staff: Client, customer: Account, credits: str, said: str
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(credits=credits), follow=True)
    assert said in response.content.decode()


def test_the_same_form_sent_twice_posts_once_and_says_so(staff: Client, customer: Account) -> None:
    form = adjustment()
    staff.post(page(customer, "adjust"), form)
    response = staff.post(page(customer, "adjust"), form, follow=True)
    assert posted(customer) == [(50, "Goodwill")]
    assert "was posted already" in response.content.decode()


def test_a_form_opened_anew_posts_again(staff: Client, customer: Account) -> None:
    keys = {
        str(staff.get(page(customer, "adjust")).context["form"]["key"].value()) for _ in range(2)
    }
    for key in keys:
        staff.post(page(customer, "adjust"), adjustment(key=key))
    assert len(posted(customer)) == 2


def test_who_posted_it_is_in_the_ledger_and_in_the_history(
    staff: Client, customer: Account, operator: User
) -> None:
    staff.post(page(customer, "adjust"), adjustment())
    entry = LedgerEntry.objects.get(account=customer, kind=Kind.ADJUSTMENT)
    assert entry.reference.startswith(f"adjustment:operator-{operator.pk}:")
    logged = LogEntry.objects.get(object_id=str(customer.pk))
    assert (logged.user, logged.change_message) == (
        operator,
        "Posted an adjustment of +50 credits: Goodwill",
    )


def test_credits_added_can_be_used_through_their_last_day_in_the_accounts_zone(
    staff: Client, customer: Account
) -> None:
    last_day = timezone.now().date() + timedelta(days=40)
    staff.post(page(customer, "adjust"), adjustment(expires_on=last_day.isoformat()))
    grant = CreditGrant.objects.get(account=customer, source="adjustment")
    assert grant.expires_at is not None
    local = grant.expires_at.astimezone(customer.zone)
    assert (local.date(), local.hour) == (last_day + timedelta(days=1), 0)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"credits": "0"}, "credits", "An adjustment of 0 credits changes nothing"),
        ({"credits": ""}, "credits", "required"),
        ({"credits": "1e12"}, "credits", "whole number"),
        ({"credits": "1000000000000"}, "credits", "less than or equal to 100000000"),
        ({"credits": "-1000000000000"}, "credits", "greater than or equal to -100000000"),
        ({"credits": "2.5"}, "credits", "whole number"),
        ({"reason": "   "}, "reason", "required"),
        ({"reason": "x" * 501}, "reason", "at most 500 characters"),
        ({"reason": "a\x00b"}, "reason", "Null characters"),
        ({"reason": "a\x07b"}, "reason", "has a control character"),
        ({"reason": "\u200b"}, "reason", "Say why"),
        ({"expires_on": "2020-01-01"}, "expires_on", "Must be in the future"),
        ({"expires_on": "9999-12-31"}, "expires_on", "More than 20 years ahead"),
        ({"expires_on": "soon"}, "expires_on", "valid date"),
        ({"credits": "-5", "expires_on": "2031-01-01"}, "expires_on", "Only credits that are"),
        ({"key": "forged"}, "key", "valid UUID"),
    ],
)
def test_a_wrong_adjustment_is_refused_beside_its_field(
    staff: Client, customer: Account, changes: dict[str, str], field: str, said: str
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(**changes))
    assert said in str(errors(response)[field])
    assert posted(customer) == []


def test_the_account_of_an_adjustment_must_exist(staff: Client) -> None:
    address = "/admin/billing/account/999999/adjust/"
    assert staff.post(address, adjustment()).status_code == 404


# ── Plans ─────────────────────────────────────────────────────────────────────────────────────
def test_a_plan_changed_now_grants_its_credits(
    staff: Client, customer: Account, professional: Plan
) -> None:
    staff.post(page(customer, "change-plan"), {"plan": professional.pk, "effective_from": ""})
    assert agreement_at(account=customer, at=timezone.now()).plan == professional
    assert credits_of(customer) == 1_500


def test_a_plan_changed_for_later_grants_its_credits_then(
    staff: Client, customer: Account, professional: Plan
) -> None:
    later = timezone.now() + timedelta(days=3)
    local = later.astimezone(customer.zone).strftime("%Y-%m-%dT%H:%M")
    staff.post(page(customer, "change-plan"), {"plan": professional.pk, "effective_from": local})
    assert credits_of(customer) == 100
    renew(account=customer, now=later + timedelta(minutes=1))
    assert credits_of(customer) == 1_500


def test_times_are_those_of_the_account(
    staff: Client, customer: Account, professional: Plan
) -> None:
    new_year = {"plan": professional.pk, "effective_from": "2031-01-01T00:00"}
    staff.post(page(customer, "change-plan"), new_year)
    latest = customer.subscriptions.first()
    assert latest is not None
    assert latest.effective_from == datetime(2030, 12, 31, 18, 30, tzinfo=UTC)


def test_sending_the_change_twice_grants_credits_once(
    staff: Client, customer: Account, professional: Plan
) -> None:
    form = {"plan": professional.pk, "effective_from": ""}
    staff.post(page(customer, "change-plan"), form)
    response = staff.post(page(customer, "change-plan"), form)
    assert "The account is on Professional already" in str(errors(response)["__all__"])
    assert credits_of(customer) == 1_500


@pytest.mark.parametrize(
    ("effective_from", "said"),
    [
        ("2020-01-01T00:00", "This is in the past"),
        ("2099-01-01T00:00", "more than 5 years ahead"),
        ("whenever", "There is no such day or time. Write it like 2026-11-23 14:05."),
        ("2026-02-29T10:00", "There is no such day or time."),
    ],
)
def test_a_plan_is_not_changed_at_a_wrong_time(
    staff: Client, customer: Account, professional: Plan, effective_from: str, said: str
) -> None:
    form = {"plan": professional.pk, "effective_from": effective_from}
    response = staff.post(page(customer, "change-plan"), form)
    assert said in str(errors(response)["effective_from"])
    assert customer.subscriptions.count() == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("2031-03-30T01:30", "30 Mar 2031, 01:30 Europe/London, which never comes, because the"),
        ("2031-10-26T01:30", "26 Oct 2031, 01:30 Europe/London, which comes twice, because the"),
    ],
)
@pytest.mark.parametrize(
    ("action", "field"), [("change-plan", "From"), ("custom-terms", "In force from")]
)
def test_a_time_that_the_accounts_clock_skips_or_repeats_is_explained(
    staff: Client,
    other_account: Account,
    professional: Plan,
    action: str,
    field: str,
    asked: str,
    said: str,
) -> None:
    subscribe(account=other_account, plan=professional, at=timezone.now())
    response = staff.post(page(other_account, action), {"effective_from": asked})
    [error] = response.context["form"].errors["effective_from"]
    assert error.startswith(f"“{field}” is {said}")
    assert error.endswith("Choose a time an hour earlier or later.")


def test_the_message_says_whether_the_plan_is_changed_or_will_be(
    staff: Client, customer: Account, professional: Plan
) -> None:
    later = {"plan": professional.pk, "effective_from": "2031-01-01T00:00"}
    response = staff.post(page(customer, "change-plan"), later, follow=True)
    planned = "on Professional from 1 Jan 2031, 00:00 Asia/Kolkata"
    assert f"Acme Voice will be {planned}." in response.content.decode()
    assert LogEntry.objects.get().change_message == f"Planned {planned}"
    response = staff.post(page(customer, "change-plan"), later)
    assert "A change to Professional is planned for 1 Jan 2031" in str(errors(response))
    cancelled = customer.subscriptions.first()
    assert cancelled is not None
    staff.post(page(customer, f"cancel-change/{cancelled.pk}"))
    now = {"plan": professional.pk, "effective_from": ""}
    response = staff.post(page(customer, "change-plan"), now, follow=True)
    assert "Acme Voice is on Professional from" in response.content.decode()


def test_an_inactive_plan_is_not_offered(
    staff: Client, customer: Account, professional: Plan
) -> None:
    Plan.objects.filter(pk=professional.pk).update(is_active=False)
    form = {"plan": professional.pk, "effective_from": ""}
    response = staff.post(page(customer, "change-plan"), form)
    assert "not one of the available choices" in str(errors(response)["plan"])


@pytest.fixture
def planned(customer: Account, professional: Plan) -> Subscription:
    now = timezone.now()
    at = now + timedelta(days=5)
    return subscribe(account=customer, plan=professional, at=at, now=now)


def test_a_planned_change_can_be_cancelled(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    address = page(customer, f"cancel-change/{planned.pk}")
    assert "Cancel the change" in staff.get(address).content.decode()
    staff.post(address)
    assert customer.subscriptions.count() == 1


def test_a_change_before_a_planned_one_is_refused_with_the_way_out(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    enterprise = Plan.objects.get(name="Enterprise")
    response = staff.post(
        page(customer, "change-plan"), {"plan": enterprise.pk, "effective_from": ""}
    )
    assert "is planned for" in str(errors(response))
    assert "cancel it first" in str(errors(response))


def test_custom_terms_that_would_never_hold_are_refused(
    customer: Account, planned: Subscription
) -> None:
    with pytest.raises(TermsError, match="would never hold"):
        agree_terms(
            subscription=customer.subscriptions.earliest("effective_from"),
            terms=CustomTerms(increment_seconds=7, credits_per_increment=1),
            effective_from=planned.effective_from + timedelta(days=1),
            now=timezone.now(),
        )


def test_a_change_that_has_begun_is_not_cancelled(staff: Client, customer: Account) -> None:
    begun = customer.subscriptions.get()
    response = staff.post(page(customer, f"cancel-change/{begun.pk}"), follow=True)
    assert "change its plan instead" in response.content.decode()
    assert customer.subscriptions.count() == 1


def test_another_accounts_change_is_not_found(
    staff: Client, other_account: Account, planned: Subscription
) -> None:
    address = page(other_account, f"cancel-change/{planned.pk}")
    assert staff.post(address).status_code == 404


# ── Custom terms ──────────────────────────────────────────────────────────────────────────────
def terms(account: Account, **changes: Any) -> dict[str, Any]:
    in_force = agreement_at(account=account, at=timezone.now()).terms
    return {
        "price": "",
        "currency": "INR",
        "increment_seconds": "6",
        "credits_per_increment": "1",
        "credits_per_cycle": "9000",
        "concurrent_calls": "12",
        "effective_from": "",
        "based_on": in_force.pk,
        **changes,
    }


def test_the_form_starts_with_the_terms_that_the_account_has(
    staff: Client, customer: Account
) -> None:
    form = staff.get(page(customer, "custom-terms")).context["form"]
    assert [form[name].value() for name in ("increment_seconds", "credits_per_cycle")] == [60, 100]


def test_the_next_call_is_charged_by_the_custom_terms(staff: Client, customer: Account) -> None:
    call_of(customer, "before", seconds=65)
    staff.post(page(customer, "custom-terms"), terms(customer))
    call_of(customer, "after", seconds=65, started_at=timezone.now())
    assert list(Call.objects.order_by("call_id").values_list("call_id", "credits")) == [
        ("after", 11),
        ("before", 4),
    ]


def test_a_plan_without_credits_grants_those_agreed(staff: Client, account: Account) -> None:
    enterprise = Plan.objects.get(name="Enterprise")
    subscribe(account=account, plan=enterprise, at=timezone.now() - timedelta(hours=1))
    staff.post(page(account, "custom-terms"), terms(account))
    assert credits_of(account) == 9_000


def test_other_accounts_on_the_plan_keep_its_terms(
    staff: Client, customer: Account, other_account: Account, base: Plan
) -> None:
    subscribe(account=other_account, plan=base, at=timezone.now())
    staff.post(page(customer, "custom-terms"), terms(customer))
    tariff = agreement_at(account=other_account, at=timezone.now()).terms.tariff
    assert (tariff.increment_seconds, tariff.credits_per_increment) == (60, 2)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("increment_seconds", "0", "greater than or equal to 1"),
        ("credits_per_increment", "-1", "greater than or equal to 1"),
        ("effective_from", "2020-01-01T00:00", "This is in the past"),
    ],
)
def test_wrong_terms_are_refused_beside_their_field(
    staff: Client, customer: Account, field: str, value: str, said: str
) -> None:
    response = staff.post(page(customer, "custom-terms"), terms(customer, **{field: value}))
    assert said in str(errors(response)[field])
    assert not CustomTerms.objects.exists()


def test_planned_custom_terms_can_be_withdrawn_and_those_in_force_cannot(
    staff: Client, customer: Account
) -> None:
    staff.post(page(customer, "custom-terms"), terms(customer))
    later = terms(customer, effective_from="2031-01-01T00:00", increment_seconds="1")
    staff.post(page(customer, "custom-terms"), later)
    planned, in_force = CustomTerms.objects.order_by("-effective_from")
    delete = "/admin/billing/customterms/{}/delete/"
    assert staff.post(delete.format(planned.pk), {"post": "yes"}).status_code == 302
    assert staff.post(delete.format(in_force.pk), {"post": "yes"}).status_code == 403
    assert list(CustomTerms.objects.all()) == [in_force]


def test_an_account_without_plan_is_told_to_get_one(staff: Client, account: Account) -> None:
    response = staff.get(page(account, "custom-terms"), follow=True)
    assert "Change its plan first: the account has no plan." in response.content.decode()
