"""The form fields that terms are entered in: all of them, or those of one account."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
)

from billing.models import CustomTerms, Subscription, Terms
from billing.models.currency import PRICE_MAX, currency_code
from billing.models.plan import CREDITS_PER_CYCLE_MAX
from billing.money import format_money, minor_units
from billing.plans.terms import effective_instant
from dashboard.operations.plans.instants import InstantField, instant_field
from dashboard.operations.plans.preview import (
    PREVIEW_TEMPLATE,
    PreviewWidget,
    TariffFields,
    entered_tariff,
    preview_address,
    preview_context,
)
from dashboard.refusals import refusals_beside

CONCURRENT_CALLS_MAX = 100_000
NUMBERS = (  # called like the fields of the model
    "prices",
    "credits_per_cycle",
    "increment_seconds",
    "credits_per_increment",
    "concurrent_calls",
)
# How the fields stand on a page.
LAYOUT = (
    ("increment_seconds", "credits_per_increment"),
    "typical_calls",
    "prices",
    ("credits_per_cycle", "concurrent_calls"),
    "effective_from",
    "based_on",
)
# Likewise of those that one account may be given along with a plan.
OPTIONAL_LAYOUT = (
    ("increment_seconds", "credits_per_increment"),
    "typical_calls",
    ("price", "credits_per_cycle"),
    "concurrent_calls",
)
OPTIONAL_TERMS = "Custom terms (optional)"
OPTIONAL_TERMS_ABOUT = (
    "Leave all of them empty for what the plan gives to everyone. Terms entered here hold in place "
    "of that from the first moment on, for as long as the account stays on the plan."
)
AGREED = "Empty: agreed with each account."
NO_CREDITS = "Granted at the start of each billing cycle. Empty: none are granted."
FROM_THE_CHANGE = "UTC. Empty: from the change of plan on, and never before it."


def entered_but(form: forms.Form, name: str, value: object) -> dict[str, Any]:
    """What was entered into ``form``, but for the field ``name``, which is to be sent next time."""
    return {**{key: form.data[key] for key in form.data}, form.add_prefix(name): value}


class PricesField(forms.CharField):
    """Prices in several currencies, one a line: ``INR 1,999``. Its value is minor units by code."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def to_python(self, value: Any) -> Any:
        """The prices as entered; each line that is none is named."""
        prices: dict[str, int] = {}
        for line in str(value or "").splitlines():
            if line.strip():
                currency, minor = self._price_in(line.strip())
                if currency in prices:
                    raise forms.ValidationError(f"There are two prices in {currency}.")
                prices[currency] = minor
        return prices

    def _price_in(self, line: str) -> tuple[str, int]:
        written = re.fullmatch(r"([A-Z]{3})\s*(\d[\d,]*(?:\.\d+)?)", line)
        if written is None:
            raise forms.ValidationError(
                f"“{line[:40]}” is no price: write a currency and an amount, such as INR 1,999.00."
            )
        currency, amount = written[1], Decimal(written[2].replace(",", ""))
        currency_code(currency)
        if amount > PRICE_MAX:
            raise forms.ValidationError(f"“{line[:40]}” is too much.")
        try:
            return currency, minor_units(amount, currency)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def prepare_value(self, value: Any) -> Any:
        """Write prices the way they are entered."""
        if isinstance(value, dict):
            return "\n".join(
                format_money(minor, currency) for currency, minor in sorted(value.items())
            )
        return value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether other prices are entered; what is no price has changed."""
        try:
            return bool(self.to_python(data) != (initial or {}))
        except forms.ValidationError:
            return True


class TermsNumbers(TariffFields):
    """The numbers of terms but the prices, and what typical calls would cost by them.

    A form calls `preview_beside` when it is made, and `enter_into` to fill terms with what was
    entered; cleaned, it has ``prices``, in minor units by currency.
    """

    credits_per_cycle = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=CREDITS_PER_CYCLE_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=f"Granted at the start of each billing cycle. {AGREED}",
    )
    concurrent_calls = forms.IntegerField(
        label="Calls at the same time",
        required=False,
        min_value=1,
        max_value=CONCURRENT_CALLS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=AGREED,
    )
    typical_calls = forms.Field(required=False, disabled=True, widget=PreviewWidget)

    def preview_beside(self, in_force: Terms | None) -> None:
        """Preview typical calls beside what they cost by the terms ``in_force``."""
        self.tariff_in_force = in_force.tariff if in_force else None
        widget = self.fields["typical_calls"].widget
        assert isinstance(widget, PreviewWidget)
        widget.preview = self.preview
        widget.address = preview_address(self.tariff_in_force)

    def enter_into(self, terms: Terms) -> None:
        """Fill ``terms`` with the numbers entered."""
        for name in NUMBERS:
            setattr(terms, name, self.cleaned_data[name])

    def preview(self) -> SafeString:
        """What typical calls cost in force and as entered."""
        entered = {name: self[name].value() for name in TariffFields.base_fields}
        context = preview_context(self.tariff_in_force, entered_tariff(entered))
        return render_to_string(PREVIEW_TEMPLATE, context)


class OptionalTermsFields(TermsNumbers):
    """Terms that an account may be given along with a plan, in its own currency; or none."""

    price = forms.DecimalField(
        label="Price per cycle",
        required=False,
        min_value=0,
        max_value=PRICE_MAX,
        max_digits=15,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=f"In the account’s currency. {AGREED}",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TariffFields.base_fields:
            self.fields[name].required = False
        self.fields["credits_per_cycle"].help_text = NO_CREDITS

    def check_optional_terms(self, *, currency: str | None) -> None:
        """Where any of the numbers is entered, those without which there is no tariff are too."""
        names = [*TariffFields.base_fields, "price", "credits_per_cycle", "concurrent_calls"]
        filled = {name for name in names if self.cleaned_data.get(name) is not None}
        self.has_optional_terms = bool(filled or self.errors.keys() & names)
        for name in TariffFields.base_fields:
            if self.has_optional_terms and name not in filled and name not in self.errors:
                self.add_error(
                    name,
                    "Custom terms need this one too. "
                    "For what the plan gives to everyone, leave all of them empty.",
                )
        self.cleaned_data["prices"] = self._price_in(currency)

    def _price_in(self, currency: str | None) -> dict[str, int]:
        """The price entered, in minor units; none where the ``currency`` is wrong itself."""
        price = self.cleaned_data.get("price")
        if price is None or currency is None:
            return {}
        try:
            return {currency: minor_units(price, currency)}
        except ValueError as error:
            self.add_error("price", str(error))
            return {}

    def optional_terms(self) -> CustomTerms | None:
        """The terms entered; None where all were left empty."""
        if not self.has_optional_terms:
            return None
        terms = CustomTerms()
        self.enter_into(terms)
        return terms


class TermsFields(TermsNumbers):
    """All numbers of terms, and from when they are in force.

    A form calls `show` when it is made, `check_terms` when it is cleaned, and `enter_into`.
    """

    prices = PricesField(
        label="Prices per cycle",
        required=False,
        help_text="One a line, such as INR 1,999. An account sees the one in its own currency, or "
        f"is told to ask. {AGREED}",
    )
    effective_from = InstantField(
        label="In force from",
        required=False,
        help_text="UTC. Empty: from now on. Calls that started earlier keep their charge.",
    )
    field_order = (
        "increment_seconds",
        "credits_per_increment",
        "typical_calls",
        "prices",
    )
    # Which terms the operator saw: what is entered was meant to replace those and no others.
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def show(self, terms: Terms | None, *, in_force: Terms | None) -> None:
        """Start from the numbers of ``terms``; preview beside those ``in_force``."""
        self.shown = terms
        self.preview_beside(in_force)
        if terms is None:
            return
        self.initial.update(based_on=terms.pk, **{name: getattr(terms, name) for name in NUMBERS})

    def show_custom(self, subscription: Subscription, *, now: datetime) -> None:
        """Say what holds for terms of one account only, and take times on its clock."""
        self.fields["credits_per_cycle"].help_text = NO_CREDITS
        currency = subscription.account.currency
        self.fields["prices"].help_text = f"The account pays in {currency}. {AGREED}"
        begins = instant_field(self)
        if subscription.effective_from > now:
            begins.help_text = FROM_THE_CHANGE
        begins.in_zone(subscription.account.zone)

    def check_terms(self, *, taken: set[datetime], now: datetime) -> None:
        """The rules that concern several fields, each said beside the field to mend."""
        cleaned = self.cleaned_data
        zone = instant_field(self).zone
        with refusals_beside(self):
            effective_instant(cleaned.get("effective_from"), now=now, taken=taken, zone=zone)
        seen = self.shown.pk if self.shown else None
        if cleaned.get("based_on") != seen:
            self.add_error(
                None,
                "The terms were changed while you had this page open. Compare with what is in "
                "force now; to enter your numbers all the same, save again.",
            )
            self.data = entered_but(self, "based_on", seen)
