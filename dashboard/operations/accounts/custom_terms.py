"""An operator agrees terms with one account, for the plan it is on or for one that is planned."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect

from billing.models import CustomTerms
from billing.plans.subscriptions import NOT_PLANNED
from billing.plans.tariffs import Agreement, TariffBook
from billing.plans.terms import agree_terms, instants
from billing.zones import local
from dashboard.operations.accounts.action import AccountAction
from dashboard.operations.plans.fields import TermsFields
from dashboard.operations.record_actions import Choice, Outcome, Preview

FOR_SUBSCRIPTION = "subscription"  # in the address
NO_AGREEMENT = "Change its plan first: the account has no plan with terms."


class CustomTermsForm(TermsFields):
    """Terms for one account, starting from those it has or will have."""

    def __init__(
        self,
        *args: Any,
        agreement: Agreement,
        in_force: Agreement | None,
        now: datetime,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.agreement = agreement
        self.show(agreement.terms, in_force=in_force.terms if in_force else None)
        self.show_custom(agreement.subscription, now=now)

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered."""
        super().clean()
        taken = instants(self.agreement.subscription.custom_terms.all())
        self.check_terms(taken=taken, now=self.now)
        return self.cleaned_data


class AgreeCustomTerms(AccountAction):
    """Give the account terms of its own on the plan it is on, or on one that is planned."""

    name = "agree_custom_terms"
    path = "custom-terms"
    label = "Custom terms"

    @cached_property
    def tariffs(self) -> TariffBook:
        """Everything that the account has agreed to."""
        return TariffBook([self.record.pk])

    @cached_property
    def in_force(self) -> Agreement | None:
        """What it has agreed to now."""
        return self.tariffs.find(self.record.pk, self.now)

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """What is in force now, then as each planned change begins, by subscription."""
        planned = [
            subscription.effective_from
            for subscription, _ in self.tariffs.subscriptions_of(self.record.pk)
            if subscription.effective_from > self.now
        ]
        found: dict[str, Agreement] = {}
        for agreement in (
            self.in_force,
            *(self.tariffs.find(self.record.pk, at) for at in planned),
        ):
            if agreement is not None:
                agreement.subscription.account = self.record
                found.setdefault(str(agreement.subscription.pk), agreement)
        return found

    @cached_property
    def asked_for(self) -> str:
        """The subscription that the terms are for: the first where the address names none."""
        return self.request.GET.get(FOR_SUBSCRIPTION) or next(iter(self.agreements), "")

    @property
    def agreement(self) -> Agreement:
        """What the account has, or will have, on that subscription."""
        return self.agreements[self.asked_for]

    def instead(self) -> HttpResponse | None:
        """Lead to planned terms that exist already, or back where there is no such plan."""
        if self.asked_for not in self.agreements:
            return self.back(NOT_PLANNED if self.agreements else NO_AGREEMENT)
        terms = self.agreement.terms
        is_planned = isinstance(terms, CustomTerms) and terms.effective_from > self.now
        if self.request.method == "GET" and is_planned:
            return redirect("admin:billing_customterms_change", terms.pk)
        return None

    def form(self, data: Any) -> CustomTermsForm:
        return CustomTermsForm(data, agreement=self.agreement, in_force=self.in_force, now=self.now)

    def preview(self) -> Preview:
        is_choice = len(self.agreements) > 1
        return self.account_preview(
            title="Custom terms",
            about=[self._about()],
            button="Agree terms",
            choices=[
                Choice(f"?{FOR_SUBSCRIPTION}={key}", self._when(one), key == self.asked_for)
                for key, one in self.agreements.items()
                if is_choice
            ],
            choices_label="For which plan",
        )

    def do(self, form: CustomTermsForm) -> Outcome:
        terms = CustomTerms()
        form.enter_into(terms)
        agree_terms(
            subscription=self.agreement.subscription,
            terms=terms,
            effective_from=form.cleaned_data["effective_from"],
            now=self.now,
        )
        begins = local(terms.effective_from, self.record.zone)
        agreed = f"{terms.tariff} on {self.agreement.plan} from {begins}"
        return Outcome(
            told=f"Terms of {self.record}: {agreed}.", recorded=f"Agreed terms: {agreed}"
        )

    def _about(self) -> str:
        plan, begins = self.agreement.plan, self.agreement.subscription.effective_from
        if begins > self.now:
            return (
                f"For {plan}, to which the account changes on {local(begins, self.record.zone)}: "
                "in place of what that plan gives to everyone, for as long as the account stays on "
                "it. These are the numbers it will have."
            )
        return (
            f"In place of what {plan} gives to everyone, for as long as the account stays on it. "
            "These are the numbers it has now."
        )

    def _when(self, agreement: Agreement) -> str:
        """Which plan, and since when, as a choice."""
        begins = agreement.subscription.effective_from
        when = f"from {local(begins, self.record.zone)}" if begins > self.now else "now"
        return f"{agreement.plan}, {when}"
