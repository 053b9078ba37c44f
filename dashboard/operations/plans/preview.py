"""What typical calls would cost by a tariff while it is entered, beside what they cost now."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from billing.models.plan import CREDITS_PER_INCREMENT_MAX, INCREMENT_SECONDS_MAX
from billing.plans.rating import Charge, Tariff
from billing.plans.terms import TYPICAL_CALLS, typical_charges

IN_FORCE = "in-force"
PREVIEW_TEMPLATE = "admin/billing/terms_preview.html"


class PreviewWidget(forms.Widget):
    """Shows what typical calls cost; a script asks for it again while numbers are typed."""

    preview: Callable[[], SafeString]
    address: str

    class Media:
        js = (forms.Script("js/terms_preview.js", type="module"),)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        return format_html(
            '<div data-terms-preview="{}" aria-live="polite">{}</div>',
            self.address,
            self.preview(),
        )


class TariffFields(forms.Form):
    """What a call's cost is computed from."""

    increment_seconds = forms.IntegerField(
        label="Billing increment, seconds",
        min_value=1,
        max_value=INCREMENT_SECONDS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="A call is billed in whole increments, rounded up.",
    )
    credits_per_increment = forms.IntegerField(
        min_value=1, max_value=CREDITS_PER_INCREMENT_MAX, widget=UnfoldAdminIntegerFieldWidget
    )


def entered_tariff(entered: Mapping[str, Any], prefix: str | None = None) -> Tariff | None:
    """The tariff as entered so far; None while it is not one."""
    fields = TariffFields(entered, prefix=prefix)
    return Tariff(**fields.cleaned_data) if fields.is_valid() else None


def preview_address(in_force: Tariff | None) -> str:
    """Where the preview is asked for, beside what is ``in_force``."""
    query = (
        {f"{IN_FORCE}-{name}": getattr(in_force, name) for name in TariffFields.base_fields}
        if in_force
        else {}
    )
    return reverse("admin:billing_plan_preview", query=query)


def preview_asked_for(query: Mapping[str, Any]) -> dict[str, Any]:
    """The context of the preview that such an address asks for."""
    return preview_context(entered_tariff(query, prefix=IN_FORCE), entered_tariff(query))


def preview_context(in_force: Tariff | None, entered: Tariff | None) -> dict[str, Any]:
    """Rows of the preview: the call's name, its charge in force, its charge as entered."""
    return {
        "in_force": in_force,
        "entered": entered,
        "rows": zip(TYPICAL_CALLS, _charges(in_force), _charges(entered), strict=True),
    }


def _charges(tariff: Tariff | None) -> list[Charge | None]:
    if tariff is None:
        return [None] * len(TYPICAL_CALLS)
    return [typical.charge for typical in typical_charges(tariff)]
