"""An operator posts adjustments, changes plans and agrees terms, from the account's page."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from billing.models import (
    Account,
    CreditGrant,
    CustomTerms,
    Kind,
    LedgerEntry,
    Plan,
    Subscription,
    User,
)
from billing.plans.subscriptions import renew, subscribe
from billing.plans.tariffs import agreement_at
from billing.plans.terms import TermsError, agree_terms
from calls.models import Call
from tests.dashboard.operations.conftest import call_of, credits_of


@pytest.fixture
def enterprise(db: None) -> Plan:
    """The plan Enterprise: 1 credit per 30 s, the rest by agreement."""
    return Plan.objects.get(name="Enterprise")


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


def test_plans_are_offered_with_what_they_give(
    staff: Client, customer: Account, professional: Plan
) -> None:
    Plan.objects.create(name="Bare", order=99)
    Plan.objects.create(name="Old", is_active=False)
    offered = staff.get(page(customer, "change-plan")).context["form"].fields["plan"].choices
    assert [label for _, label in offered][1:] == [
        "Base: 2 per 60 s, 100 credits a cycle",
        "Professional: 1 per 30 s, 1,500 credits a cycle",
        "Enterprise: 1 per 30 s, credits as agreed",
        "Bare: no terms yet",
    ]


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
    response = staff.get(page(customer, f"cancel-change/{begun.pk}"), follow=True)
    assert "has begun: change the plan instead." in response.content.decode()
    assert customer.subscriptions.count() == 1


def test_another_accounts_change_is_not_cancelled(
    staff: Client, other_account: Account, planned: Subscription
) -> None:
    address = page(other_account, f"cancel-change/{planned.pk}")
    response = staff.post(address, follow=True)
    assert "not planned any more" in response.content.decode()
    assert Subscription.objects.filter(pk=planned.pk).exists()


def test_a_change_cancelled_in_another_window_leads_back_to_the_account(
    staff: Client, customer: Account, planned: Subscription
) -> None:
    address = page(customer, f"cancel-change/{planned.pk}")
    staff.post(address)
    for response in (staff.get(address, follow=True), staff.post(address, follow=True)):
        assert "That change of plan is not planned any more." in response.content.decode()


def test_terms_of_ones_own_without_credits_are_said_to_grant_none(
    staff: Client, customer: Account, professional: Plan
) -> None:
    assert "Empty: none are granted." in staff.get(page(customer, "change-plan")).content.decode()
    change = {"plan": professional.pk, "increment_seconds": "6", "credits_per_increment": "1"}
    response = staff.post(page(customer, "change-plan"), change, follow=True)
    assert ", at 1 per 6 s and 0 credits a cycle." in response.content.decode()


def with_terms(plan: Plan, **changes: Any) -> dict[str, Any]:
    return {
        "plan": plan.pk,
        "effective_from": "",
        "increment_seconds": "6",
        "credits_per_increment": "1",
        "price": "50000",
        "credits_per_cycle": "9000",
        "concurrent_calls": "12",
        **changes,
    }


def test_a_plan_is_changed_together_with_its_terms(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise), follow=True)
    assert ", at 1 per 6 s and 9,000 credits a cycle." in response.content.decode()
    in_force = agreement_at(account=customer, at=timezone.now()).terms
    assert isinstance(in_force, CustomTerms)
    assert (in_force.price_minor, in_force.currency, in_force.concurrent_calls) == (
        5_000_000,
        "INR",
        12,
    )
    assert credits_of(customer) == 9_000
    call_of(customer, "after", seconds=7, started_at=timezone.now())
    assert Call.objects.get().credits == 2


def test_a_planned_change_begins_with_the_terms_agreed_along_with_it(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    change = with_terms(enterprise, effective_from="2031-01-01T00:00")
    staff.post(page(customer, "change-plan"), change)
    assert credits_of(customer) == 100
    began = datetime(2030, 12, 31, 18, 30, tzinfo=UTC)
    tariff = agreement_at(account=customer, at=began).tariff
    assert (tariff.increment_seconds, tariff.credits_per_increment) == (6, 1)
    renew(account=customer, now=began)
    assert credits_of(customer) == 9_000


def test_a_plan_changed_without_terms_has_those_of_everyone(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    staff.post(page(customer, "change-plan"), {"plan": enterprise.pk, "effective_from": ""})
    assert agreement_at(account=customer, at=timezone.now()).plan == enterprise
    assert not CustomTerms.objects.exists()


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"increment_seconds": ""}, {"increment_seconds"}),
        ({"credits_per_increment": ""}, {"credits_per_increment"}),
        (
            {"increment_seconds": "", "credits_per_increment": "", "price": ""},
            {"increment_seconds", "credits_per_increment"},
        ),
    ],
)
def test_terms_entered_in_part_are_refused_beside_what_is_missing(
    staff: Client,
    customer: Account,
    enterprise: Plan,
    changes: dict[str, str],
    missing: set[str],
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise, **changes))
    found = errors(response)
    assert found.keys() == missing
    assert all("leave all of them empty" in str(said) for said in found.values())
    assert customer.subscriptions.count() == 1


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("increment_seconds", "0", "greater than or equal to 1"),
        ("credits_per_increment", "x", "whole number"),
        ("price", "1.999", "INR"),
        ("credits_per_cycle", "-1", "greater than or equal to 0"),
    ],
)
def test_wrong_terms_of_a_change_are_refused_beside_their_field(
    staff: Client, customer: Account, enterprise: Plan, field: str, value: str, said: str
) -> None:
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise, **{field: value}))
    found = errors(response)
    assert found.keys() == {field}
    assert said in str(found[field])


def test_sending_a_change_with_terms_twice_grants_credits_once(
    staff: Client, customer: Account, enterprise: Plan
) -> None:
    staff.post(page(customer, "change-plan"), with_terms(enterprise))
    response = staff.post(page(customer, "change-plan"), with_terms(enterprise))
    assert "is on Enterprise already" in str(errors(response))
    assert customer.subscriptions.count() == 2
    assert credits_of(customer) == 9_000


def test_the_change_previews_typical_calls_beside_what_they_cost_now(
    staff: Client, customer: Account
) -> None:
    shown = staff.get(page(customer, "change-plan")).content.decode()
    assert "costs now" in shown
    assert "in-force-increment_seconds=60" in shown


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
    assert "Change its plan first: the account has no plan with terms." in response.content.decode()


# ── Custom terms of a planned change ──────────────────────────────────────────────────────────
@pytest.fixture
def to_enterprise(customer: Account, enterprise: Plan) -> Subscription:
    now = timezone.now()
    return subscribe(account=customer, plan=enterprise, at=now + timedelta(days=1), now=now)


def terms_page(subscription: Subscription) -> str:
    return f"{page(subscription.account, 'custom-terms')}?subscription={subscription.pk}"


def planned_terms(subscription: Subscription, **changes: Any) -> dict[str, Any]:
    plan_terms = subscription.plan.terms.get()
    return terms(subscription.account, **{"based_on": plan_terms.pk, **changes})


def test_terms_are_agreed_for_a_planned_change(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    response = staff.post(terms_page(to_enterprise), planned_terms(to_enterprise), follow=True)
    assert "Terms of Acme Voice: 1 per 6 s on Enterprise from " in response.content.decode()
    agreed = CustomTerms.objects.get()
    assert agreed.subscription == to_enterprise
    assert agreed.effective_from == to_enterprise.effective_from
    present = agreement_at(account=customer, at=timezone.now())
    assert (present.plan.name, present.tariff.increment_seconds) == ("Base", 60)
    renew(account=customer, now=to_enterprise.effective_from)
    assert credits_of(customer) == 9_000


def test_the_page_offers_the_plan_of_now_and_the_planned_one(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    response = staff.get(page(customer, "custom-terms"))
    [now_words, planned_words] = [words for _, words, _ in response.context["choices"]]
    assert now_words == "Base, now"
    assert planned_words.startswith("Enterprise, from ")
    assert response.context["form"]["increment_seconds"].value() == 60
    response = staff.get(terms_page(to_enterprise))
    assert [is_shown for *_, is_shown in response.context["choices"]] == [False, True]
    assert "in-force-increment_seconds=60" in response.content.decode()  # "costs now"
    assert response.context["form"]["increment_seconds"].value() == 30


def test_without_a_planned_change_there_is_nothing_to_choose(
    staff: Client, customer: Account
) -> None:
    assert staff.get(page(customer, "custom-terms")).context["choices"] == []


def test_the_account_page_leads_from_a_planned_change_to_its_terms(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    change = f"/admin/billing/account/{customer.pk}/change/"
    assert f'href="{terms_page(to_enterprise)}"' in staff.get(change).content.decode()
    staff.post(terms_page(to_enterprise), planned_terms(to_enterprise))
    [(heading, table)] = staff.get(change).context["custom_tables"]
    assert heading.startswith("Custom terms on Enterprise, planned for ")
    assert "Planned: change or delete" in str(table["rows"])


def test_planned_terms_are_changed_on_a_page_that_keeps_the_accounts_clock(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    staff.post(terms_page(to_enterprise), planned_terms(to_enterprise))
    [agreed] = CustomTerms.objects.all()
    change = f"/admin/billing/customterms/{agreed.pk}/change/"
    response = staff.get(terms_page(to_enterprise), follow=True)
    assert response.request["PATH_INFO"] == change
    field = response.context["adminform"].form["effective_from"]
    shown = agreed.effective_from.astimezone(customer.zone)
    assert field.value() == shown.replace(tzinfo=None).isoformat(timespec="seconds")
    assert field.help_text.startswith("Asia/Kolkata time. Empty: from the change of plan on")
    later = (shown + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S")
    form = terms(customer, based_on=agreed.pk, effective_from=later)
    assert staff.post(change, form).status_code == 302
    agreed.refresh_from_db()
    moved = agreed.effective_from.astimezone(customer.zone)
    assert moved.strftime("%Y-%m-%dT%H:%M:%S") == later


def test_terms_that_begin_when_others_do_are_refused_in_the_accounts_time(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    form = planned_terms(to_enterprise)
    staff.post(terms_page(to_enterprise), form)
    agreed = CustomTerms.objects.get()
    response = staff.post(terms_page(to_enterprise), {**form, "based_on": agreed.pk})
    assert "Asia/Kolkata already" in str(errors(response))


def test_terms_do_not_begin_before_the_change_that_they_are_for(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    sooner = (timezone.now() + timedelta(hours=1)).astimezone(customer.zone)
    entered = planned_terms(to_enterprise, effective_from=sooner.strftime("%Y-%m-%dT%H:%M"))
    staff.post(terms_page(to_enterprise), entered)
    agreed = CustomTerms.objects.get()
    assert agreed.effective_from == to_enterprise.effective_from
    amended = {**entered, "effective_from": "", "based_on": agreed.pk}
    staff.post(f"/admin/billing/customterms/{agreed.pk}/change/", amended)
    agreed.refresh_from_db()
    assert agreed.effective_from == to_enterprise.effective_from


def test_terms_for_the_past_are_refused_for_a_planned_change_too(
    staff: Client, to_enterprise: Subscription
) -> None:
    entered = planned_terms(to_enterprise, effective_from="2020-01-01T00:00")
    response = staff.post(terms_page(to_enterprise), entered)
    assert "This is in the past" in str(errors(response)["effective_from"])


def test_terms_go_with_the_planned_change_that_is_cancelled(
    staff: Client, customer: Account, to_enterprise: Subscription
) -> None:
    staff.post(terms_page(to_enterprise), planned_terms(to_enterprise))
    staff.post(page(customer, f"cancel-change/{to_enterprise.pk}"))
    assert not CustomTerms.objects.exists()
    response = staff.get(terms_page(to_enterprise), follow=True)
    assert "is not planned any more" in response.content.decode()
