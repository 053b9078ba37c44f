"""Plans for operators: their terms are entered on the plan's page, prefilled with those in force.

Saving other numbers adds terms; nothing stored is overwritten.
"""

from datetime import UTC
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from billing import clock
from billing.activity import ActivityKind, Facts, facts_of
from billing.models import Plan, PlanTerms
from billing.money import format_prices
from billing.plans.terms import (
    TYPICAL_CALLS,
    change_terms,
    delete_plan,
    instants,
    typical_charges,
    why_in_use,
)
from billing.zones import local
from dashboard.operations.base import EditableAdmin
from dashboard.operations.plans.fields import LAYOUT, NUMBERS, TermsFields
from dashboard.operations.plans.preview import PREVIEW_TEMPLATE, preview_asked_for
from dashboard.operations.plans.terms_in_force import plan_terms_at
from dashboard.operations.plans.terms_table import AS_AGREED, terms_table


class PlanForm(TermsFields, forms.ModelForm):
    """A plan together with the terms it is to have."""

    class Meta:
        model = Plan
        fields = ("name", "description", "order", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = clock.now()
        terms = plan_terms_at(self.instance, self.now)
        self.show(terms, in_force=terms)

    def clean(self) -> dict[str, Any]:
        """Check the terms where any are entered."""
        super().clean()
        if self.terms_are_new():
            taken = set() if self.instance._state.adding else instants(self.instance.terms.all())
            self.check_terms(taken=taken, now=self.now)
        return self.cleaned_data

    def terms_are_new(self) -> bool:
        """Whether what is entered differs from what is in force, or has a date of its own."""
        if self.shown is None:
            return True
        return bool({*NUMBERS, "effective_from"}.intersection(self.changed_data))


@admin.register(Plan)
class PlanAdmin(EditableAdmin):
    """Plans, what they cost now, and the form that changes it."""

    form = PlanForm
    noted_as = {"add": ActivityKind.PLAN_ADDED, "change": ActivityKind.PLAN_EDITED}
    change_form_template = "admin/billing/plan/change_form.html"
    list_display = (
        "name",
        "is_active",
        "price",
        "credits_per_cycle",
        "tariff",
        "typical_calls",
        "next_change",
    )
    search_fields = ("name",)
    ordering = ("order", "name")
    warn_unsaved_form = True

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The terms first: they are what an operator comes for."""
        plan = ("Plan", {"fields": ("name", "description", ("order", "is_active"))})
        if obj is None:
            return [plan, ("Terms", {"fields": LAYOUT})]
        about = (
            "These numbers are in force. Change any of them and save: that adds new terms from "
            "the time given, and calls that started before it keep their charge."
        )
        return [("Change terms", {"fields": LAYOUT, "description": about}), plan]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        queryset: QuerySet = super().get_queryset(request)
        return queryset.prefetch_related("terms")

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview)
        return [path("preview/", preview, name="billing_plan_preview"), *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """The preview of a tariff as it is being typed; changes nothing."""
        return TemplateResponse(request, PREVIEW_TEMPLATE, preview_asked_for(request.GET))

    def facts(self, record: Plan) -> Facts:
        return facts_of(record, "name", "description", "order", "is_active")

    def around_form(self, record: Plan) -> dict[str, Any]:
        """All terms of the plan."""
        return {"terms_table": terms_table(list(record.terms.all()), now=clock.now())}

    def save_model(self, request: HttpRequest, obj: Plan, form: PlanForm, change: bool) -> None:
        """Store the plan, and give it the terms entered where they are new."""
        super().save_model(request, obj, form, change)
        if not form.terms_are_new():
            return
        terms = PlanTerms()
        form.enter_into(terms)
        stored = change_terms(
            plan=obj,
            terms=terms,
            effective_from=form.cleaned_data["effective_from"],
            now=form.now,
        )
        messages.info(
            request,
            f"From {local(stored.effective_from, UTC)} calls on {obj} cost {stored.tariff}. "
            "Calls that started earlier keep their charge.",
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask whether to delete a plan that nobody uses; else say who does."""
        plan = self.get_object(request, object_id)
        if plan is not None and (reason := why_in_use(plan)):
            messages.error(request, reason)
            return redirect("admin:billing_plan_change", plan.pk)
        return super().delete_view(request, object_id, extra_context)

    def delete_model(self, request: HttpRequest, obj: Plan) -> None:
        delete_plan(plan=obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """An unused plan takes its terms along, also those that have begun."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected

    @admin.display(description="Price a cycle")
    def price(self, plan: Plan) -> str:
        """In force now."""
        terms = self._terms(plan)
        if terms is None or not terms.prices:
            return AS_AGREED
        return format_prices(terms.prices)

    @admin.display(description="Credits a cycle")
    def credits_per_cycle(self, plan: Plan) -> str:
        """In force now."""
        terms = self._terms(plan)
        if terms is None or terms.credits_per_cycle is None:
            return AS_AGREED
        return f"{terms.credits_per_cycle:,}"

    @admin.display(description="Tariff")
    def tariff(self, plan: Plan) -> str:
        """In force now."""
        terms = self._terms(plan)
        if terms is None:
            return "no terms yet"
        return str(terms.tariff)

    @admin.display(description=f"{', '.join(TYPICAL_CALLS)} cost")
    def typical_calls(self, plan: Plan) -> str:
        """In force now, credits."""
        terms = self._terms(plan)
        if terms is None:
            return "–"
        return ", ".join(f"{typical.charge.credits:,}" for typical in typical_charges(terms.tariff))

    @admin.display(description="Next change")
    def next_change(self, plan: Plan) -> str:
        """When the next planned terms take over."""
        now = clock.now()
        planned = [one.effective_from for one in plan.terms.all() if one.effective_from > now]
        return local(min(planned), UTC) if planned else "–"

    def _terms(self, plan: Plan) -> PlanTerms | None:
        return plan_terms_at(plan, clock.now())
