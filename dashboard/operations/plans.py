"""Plans for operators: their terms are entered on the plan's page, prefilled with those in force.

Saving other numbers adds terms; nothing stored is overwritten. Terms still to come have a page of
their own, where they can be changed or deleted.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from billing.models import CustomTerms, Plan, PlanTerms, Terms
from billing.money import format_money
from billing.plans.tariffs import in_force, in_force_or_first
from billing.plans.terms import (
    TYPICAL_CALLS,
    PlanInUseError,
    TermsError,
    amend_terms,
    change_terms,
    delete_plan,
    instants,
    others_of,
    typical_charges,
    why_in_use,
    withdraw_terms,
)
from billing.zones import local
from dashboard.operations.base import OperatorAdmin, is_operator
from dashboard.operations.terms import (
    AS_AGREED,
    LAYOUT,
    NUMBERS,
    PREVIEW,
    TermsFields,
    preview_asked_for,
    terms_table,
)


class PlanForm(TermsFields, forms.ModelForm):
    """A plan together with the terms it is to have."""

    class Meta:
        model = Plan
        fields = ("name", "description", "order", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.now()
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
class PlanAdmin(OperatorAdmin):
    """Plans, what they cost now, and the form that changes it."""

    form = PlanForm
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
        return TemplateResponse(request, PREVIEW, preview_asked_for(request.GET))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page, with all terms below the form."""
        plan = self.get_object(request, object_id) if object_id else None
        if plan is not None:
            table = terms_table(list(plan.terms.all()), now=timezone.now())
            extra_context = {**(extra_context or {}), "terms_table": table}
        with_extra = (request, object_id, form_url, extra_context)
        return or_explain_refusal(request, super().changeform_view, *with_extra)

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
        return or_explain_refusal(request, super().delete_view, request, object_id, extra_context)

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
        if terms is None or terms.price_minor is None:
            return AS_AGREED
        return format_money(terms.price_minor, terms.currency)

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
        now = timezone.now()
        planned = [one.effective_from for one in plan.terms.all() if one.effective_from > now]
        return local(min(planned), UTC) if planned else "–"

    def _terms(self, plan: Plan) -> PlanTerms | None:
        return plan_terms_at(plan, timezone.now())


class PlannedTermsForm(TermsFields, forms.ModelForm):
    """Terms that are still to come: their numbers, and when."""

    class Meta:
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = timezone.now()
        others = others_of(self.instance).order_by("effective_from")
        self.show(self.instance, in_force=in_force(list(others), self.now))
        self.initial["effective_from"] = self.instance.effective_from
        if isinstance(self.instance, CustomTerms):
            self.show_custom(self.instance.subscription, now=self.now)

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered."""
        super().clean()
        taken = instants(others_of(self.instance))
        self.check_terms(taken=taken, now=self.now)
        return self.cleaned_data


class PlannedTermsAdmin(OperatorAdmin):
    """Terms of a plan or an account: those still to come can be changed or deleted, others read."""

    form = PlannedTermsForm
    stored_fields: tuple[str, ...] = (
        "effective_from",
        "increment_seconds",
        "credits_per_increment",
        "price_minor",
        "currency",
        "credits_per_cycle",
        "concurrent_calls",
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Not in the menu: they are reached from their plan or account."""
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They are added on the page of the plan or the account."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request) and is_to_come(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request) and is_to_come(obj)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if self.has_change_permission(request, obj):
            return [("Planned terms", {"fields": LAYOUT})]
        return [("Terms", {"fields": self.stored_fields})]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        arguments = (request, object_id, form_url, extra_context)
        return or_explain_refusal(request, super().changeform_view, *arguments)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return or_explain_refusal(request, super().delete_view, request, object_id, extra_context)

    def save_model(
        self, request: HttpRequest, obj: Terms, form: PlannedTermsForm, change: bool
    ) -> None:
        """Store the numbers entered, if the terms are still to come."""
        form.enter_into(obj)
        amend_terms(terms=obj, effective_from=form.cleaned_data["effective_from"], now=form.now)

    def delete_model(self, request: HttpRequest, obj: Terms) -> None:
        withdraw_terms(terms=obj, now=timezone.now())


@admin.register(PlanTerms)
class PlanTermsAdmin(PlannedTermsAdmin):
    """Planned terms of a plan."""

    def response_post_save_change(self, request: HttpRequest, obj: PlanTerms) -> HttpResponse:
        return redirect("admin:billing_plan_change", obj.plan_id)


@admin.register(CustomTerms)
class CustomTermsAdmin(PlannedTermsAdmin):
    """Planned terms of one account."""

    def response_post_save_change(self, request: HttpRequest, obj: CustomTerms) -> HttpResponse:
        return redirect("admin:billing_account_change", obj.subscription.account_id)


def is_to_come(terms: Terms | None) -> bool:
    """Whether ``terms`` may still be changed (or which is not known yet)."""
    return terms is None or terms.effective_from > timezone.now()


def plan_terms_at(plan: Plan, now: datetime) -> PlanTerms | None:
    """The terms of ``plan`` in force; before its first ones, the first; None where it has none."""
    if plan._state.adding:
        return None
    terms = sorted(plan.terms.all(), key=lambda one: one.effective_from)
    return in_force_or_first(terms, now)


def or_explain_refusal(request: HttpRequest, view: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of ``view``; where the domain refuses at the last moment, the page with why."""
    try:
        return view(*arguments)
    except (TermsError, PlanInUseError) as error:
        messages.error(request, str(error))
        return redirect(request.path)
