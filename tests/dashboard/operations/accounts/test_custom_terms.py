"""An operator agrees terms with one account, from its page."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account, CustomTerms, Plan, Subscription
from billing.plans.subscriptions import renew, subscribe
from billing.plans.tariffs import agreement_at
from billing.plans.terms import TermsError, agree_terms
from calls.models import Call
from tests.dashboard.operations.accounts.conftest import errors, page
from tests.dashboard.operations.conftest import call_of, credits_of


def terms(account: Account, **changes: Any) -> dict[str, Any]:
    in_force = agreement_at(account=account, at=timezone.now()).terms
    return {
        "prices": "",
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


def test_an_account_without_plan_is_told_to_get_one(staff: Client, account: Account) -> None:
    response = staff.get(page(account, "custom-terms"), follow=True)
    assert "Change its plan first: the account has no plan with terms." in response.content.decode()


# ── Of a planned change ───────────────────────────────────────────────────────────────────────
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
    assert credits_of(customer) == 9_100


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
