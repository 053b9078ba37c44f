"""An operator puts an account on another plan, or cancels a change that has not begun."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten
from django.http import HttpResponse
from unfold.widgets import UnfoldAdminSelectWidget

from billing import clock
from billing.models import Account, CustomTerms, Plan, Subscription
from billing.plans.granting import credits_with_change, granted_within_a_month
from billing.plans.subscriptions import NOT_PLANNED, cancel_planned_change, subscribe
from billing.plans.tariffs import TariffBook
from billing.plans.terms import effective_instant
from billing.texts import in_credits
from billing.zones import local
from dashboard.operations.accounts.action import AccountAction
from dashboard.operations.plans.fields import (
    OPTIONAL_LAYOUT,
    OPTIONAL_TERMS,
    OPTIONAL_TERMS_ABOUT,
    OptionalTermsFields,
)
from dashboard.operations.plans.instants import InstantField, instant_field
from dashboard.operations.plans.terms_in_force import plan_terms_at
from dashboard.operations.record_actions import Outcome, Preview, Section
from dashboard.refusals import refusals_beside


class PlanField(forms.ModelChoiceField):
    """A plan on offer, named with what it gives to everyone now."""

    widget = UnfoldAdminSelectWidget

    def __init__(self, **kwargs: Any) -> None:
        offered = Plan.objects.filter(is_active=True).prefetch_related("terms")
        super().__init__(offered, **kwargs)

    def label_from_instance(self, plan: Plan) -> str:
        """Its name, tariff and credits."""
        terms = plan_terms_at(plan, clock.now())
        if terms is None:
            return f"{plan}: no terms yet"
        credits = terms.credits_per_cycle
        granted = "credits as agreed" if credits is None else f"{in_credits(credits)} a cycle"
        return f"{plan}: {terms.tariff}, {granted}"


class ChangePlanForm(OptionalTermsFields):
    """Another plan, from now or later, and the terms agreed along with it."""

    plan = PlanField(
        help_text="A new billing cycle begins with it, and its credits are granted then, unless "
        "the account was granted credits of this plan within the month before.",
    )
    effective_from = InstantField(
        label="From", required=False, help_text="UTC. Empty: from now on. The past stays as it was."
    )

    field_order = ("plan", "effective_from", *flatten(OPTIONAL_LAYOUT))

    def __init__(self, *args: Any, account: Account, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.currency = account.currency
        instant_field(self).in_zone(account.zone)
        in_force = TariffBook([account.pk]).find(account.pk, now)
        self.preview_beside(in_force.terms if in_force else None)

    def clean(self) -> dict[str, Any]:
        """Turn the time asked for into the instant it takes effect, and check the terms."""
        super().clean()
        if "effective_from" in self.cleaned_data:
            with refusals_beside(self):
                asked = self.cleaned_data["effective_from"]
                self.cleaned_data["effective_from"] = effective_instant(asked, now=self.now)
        self.check_optional_terms(currency=self.currency)
        return self.cleaned_data


class ChangePlan(AccountAction):
    """Put the account on another plan, with terms of its own if any are entered."""

    name = "change_plan"
    path = "change-plan"
    label = "Change plan"

    def form(self, data: Any) -> ChangePlanForm:
        return ChangePlanForm(data, account=self.record, now=self.now)

    def preview(self) -> Preview:
        return self.account_preview(
            title="Change plan",
            about=[
                "Calls that started before keep their charge. Credits that are left keep their own "
                "end, beside those of the new plan.",
                *self._granted_lately(),
            ],
            button="Change plan",
            section=Section("increment_seconds", OPTIONAL_TERMS, OPTIONAL_TERMS_ABOUT),
        )

    def do(self, form: ChangePlanForm) -> Outcome:
        account, now = self.record, self.now
        plan, at = form.cleaned_data["plan"], form.cleaned_data["effective_from"]
        terms = form.optional_terms()
        subscription = subscribe(account=account, plan=plan, at=at, now=now, custom_terms=terms)
        change = f"on {plan} from {local(at, account.zone)}"
        change += f", at {_in_words(terms)}" if terms else ""
        credits = credits_with_change(book=TariffBook([account.pk]), subscription=subscription)
        comes = f"{in_credits(credits) if credits else 'No credits'} come with the change."
        if at > now:
            return Outcome(
                told=f"{account} will be {change}. {comes}", recorded=f"Planned {change}"
            )
        return Outcome(told=f"{account} is {change}. {comes}", recorded=f"Put {change}")

    def _granted_lately(self) -> list[str]:
        """The plans to which a change now would grant no credits, each in a sentence."""
        account = self.record
        book = TariffBook([account.pk])
        granted = granted_within_a_month(
            book=book, account_id=account.pk, at=self.now, zone=account.zone
        )
        agreement = book.find(account.pk, self.now)
        present = {agreement.plan.pk} if agreement else set()
        plans = Plan.objects.filter(is_active=True, pk__in=granted.keys() - present)
        return [
            f"Credits of {plan} were granted on {local(granted[plan.pk], account.zone)}. A change "
            "to it within a month of that grants none; the next ones come with its second cycle."
            for plan in plans
        ]


class CancelPlannedChange(AccountAction):
    """Cancel a change of plan that has not begun. The list of the account's plans links to it."""

    name = "cancel_change"
    path = "cancel-change/<int:subscription_id>"

    @cached_property
    def subscription(self) -> Subscription | None:
        """The planned change; None where it is the account's no more."""
        asked = self.captured["subscription_id"]
        return Subscription.objects.filter(pk=asked, account=self.record).first()

    def instead(self) -> HttpResponse | None:
        """Lead back where there is nothing to cancel any more."""
        if self.subscription is None:
            return self.back(NOT_PLANNED)
        if self.request.method == "GET" and self.subscription.effective_from <= self.now:
            return self.back(f"{self.subscription} has begun: change the plan instead.")
        return None

    def preview(self) -> Preview:
        account, subscription = self.record, self.subscription
        assert subscription is not None
        return self.account_preview(
            title="Cancel a planned change",
            about=[
                f"{account} would go to {subscription.plan} on "
                f"{local(subscription.effective_from, account.zone)}. When you cancel that, it "
                "stays on the plan before, until the next planned change if there is one. Terms "
                "agreed for this one go with it."
            ],
            button="Cancel the change",
        )

    def do(self, form: Any) -> Outcome:
        assert self.subscription is not None
        change = f"the change to {self.subscription.plan}"
        cancel_planned_change(subscription=self.subscription, now=self.now)
        return Outcome(told=f"Cancelled {change}.", recorded=f"Cancelled {change}")


def _in_words(terms: CustomTerms) -> str:
    granted = in_credits(terms.credits_per_cycle or 0)
    return f"{terms.tariff} and {granted} a cycle"
