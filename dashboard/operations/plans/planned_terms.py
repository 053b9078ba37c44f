"""Terms that are still to come have pages of their own, where they can be changed or deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from billing import clock
from billing.models import CustomTerms, PlanTerms, Terms
from billing.money import format_prices
from billing.plans.tariffs import in_force
from billing.plans.terms import amend_terms, instants, others_of, withdraw_terms
from dashboard.operations.base import EditableAdmin
from dashboard.operations.plans.fields import LAYOUT, TermsFields
from dashboard.operations.plans.terms_table import AS_AGREED


class PlannedTermsForm(TermsFields, forms.ModelForm):
    """Terms that are still to come: their numbers, and when."""

    class Meta:
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = clock.now()
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


class PlannedTermsAdmin(EditableAdmin):
    """Terms of a plan or an account: those still to come can be changed or deleted, others read."""

    allowed = frozenset({"change", "delete"})  # they are added on the page of the plan or account
    in_menu = False  # they are reached from there too
    form = PlannedTermsForm
    readonly_fields = ("agreed_prices",)
    stored_fields: tuple[str, ...] = (
        "effective_from",
        "increment_seconds",
        "credits_per_increment",
        "agreed_prices",
        "credits_per_cycle",
        "concurrent_calls",
    )

    def permits(self, request: HttpRequest, record: Terms) -> bool:
        """Those still to come; calls were charged by the others."""
        return record.effective_from > clock.now()

    @admin.display(description="Prices per cycle")
    def agreed_prices(self, terms: Terms) -> str:
        """In words."""
        return format_prices(terms.prices) or AS_AGREED

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if self.has_change_permission(request, obj):
            return [("Planned terms", {"fields": LAYOUT})]
        return [("Terms", {"fields": self.stored_fields})]

    def save_model(
        self, request: HttpRequest, obj: Terms, form: PlannedTermsForm, change: bool
    ) -> None:
        """Store the numbers entered, if the terms are still to come."""
        form.enter_into(obj)
        amend_terms(terms=obj, effective_from=form.cleaned_data["effective_from"], now=form.now)

    def delete_model(self, request: HttpRequest, obj: Terms) -> None:
        withdraw_terms(terms=obj, now=clock.now())


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
