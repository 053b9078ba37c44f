"""The form fields that terms are entered in: all of them, or those of one account."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from billing.models import CustomTerms, Subscription, Terms
from billing.models.currency import currency_code
from billing.models.plan import CREDITS_PER_CYCLE_MAX
from billing.money import major_units, minor_units
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

PRICE_MAX = Decimal(10**12)
CONCURRENT_CALLS_MAX = 100_000
NUMBERS = (
    "price",  # the others are called like the fields of the model
    "currency",
    "credits_per_cycle",
    "increment_seconds",
    "credits_per_increment",
    "concurrent_calls",
)
# How the fields stand on a page.
LAYOUT = (
    ("increment_seconds", "credits_per_increment"),
    "typical_calls",
    ("price", "currency"),
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


class TermsNumbers(TariffFields):
    """The numbers of terms but the currency, and what typical calls would cost by them.

    A form calls `preview_beside` when it is made, `check_price` when it is cleaned, and
    `enter_into` to fill terms with what was entered.
    """

    price = forms.DecimalField(
        label="Price per cycle",
        required=False,
        min_value=0,
        max_value=PRICE_MAX,
        max_digits=15,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=AGREED,
    )
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

    def check_price(self, currency: str | None) -> None:
        """The price in minor units of ``currency``; None where that is wrong itself."""
        cleaned = self.cleaned_data
        if cleaned.get("price") is not None and currency:
            try:
                cleaned["price_minor"] = minor_units(cleaned["price"], currency)
            except ValueError as error:
                self.add_error("price", str(error))

    def enter_into(self, terms: Terms) -> None:
        """Fill ``terms`` with the numbers entered."""
        cleaned = self.cleaned_data
        terms.price_minor = cleaned.get("price_minor")
        for name in NUMBERS[1:]:
            setattr(terms, name, cleaned[name])

    def preview(self) -> SafeString:
        """What typical calls cost in force and as entered."""
        entered = {name: self[name].value() for name in TariffFields.base_fields}
        context = preview_context(self.tariff_in_force, entered_tariff(entered))
        return render_to_string(PREVIEW_TEMPLATE, context)


class OptionalTermsFields(TermsNumbers):
    """Terms that an account may be given along with a plan, in its own currency; or none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TariffFields.base_fields:
            self.fields[name].required = False
        self.fields["price"].help_text = f"In the account’s currency. {AGREED}"
        self.fields["credits_per_cycle"].help_text = NO_CREDITS

    def check_optional_terms(self, *, currency: str | None) -> None:
        """Where any of the numbers is entered, those without which there is no tariff are too."""
        names = [name for name in NUMBERS if name in self.fields and name != "currency"]
        filled = {name for name in names if self.cleaned_data.get(name) is not None}
        self.has_optional_terms = bool(filled or self.errors.keys() & names)
        for name in TariffFields.base_fields:
            if self.has_optional_terms and name not in filled and name not in self.errors:
                self.add_error(
                    name,
                    "Custom terms need this one too. "
                    "For what the plan gives to everyone, leave all of them empty.",
                )
        if currency is not None:
            self.cleaned_data["currency"] = currency
        self.check_price(currency)

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

    currency = forms.CharField(
        initial="INR", widget=UnfoldAdminTextInputWidget, validators=[currency_code]
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
        "price",
        "currency",
    )
    # Which terms the operator saw: what is entered was meant to replace those and no others.
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def show(self, terms: Terms | None, *, in_force: Terms | None) -> None:
        """Start from the numbers of ``terms``; preview beside those ``in_force``."""
        self.shown = terms
        self.preview_beside(in_force)
        if terms is None:
            return
        price = terms.price_minor
        self.initial.update(
            price=None if price is None else major_units(price, terms.currency),
            based_on=terms.pk,
            **{name: getattr(terms, name) for name in NUMBERS[1:]},
        )

    def show_custom(self, subscription: Subscription, *, now: datetime) -> None:
        """Say what holds for terms of one account only, and take times on its clock."""
        self.fields["credits_per_cycle"].help_text = NO_CREDITS
        begins = instant_field(self)
        if subscription.effective_from > now:
            begins.help_text = FROM_THE_CHANGE
        begins.in_zone(subscription.account.zone)

    def check_terms(self, *, taken: set[datetime], now: datetime) -> None:
        """The rules that concern several fields, each said beside the field to mend."""
        cleaned = self.cleaned_data
        zone = instant_field(self).zone
        self.check_price(cleaned.get("currency"))
        with refusals_beside(self):
            effective_instant(cleaned.get("effective_from"), now=now, taken=taken, zone=zone)
        seen = self.shown.pk if self.shown else None
        if cleaned.get("based_on") != seen:
            self.add_error(
                None,
                "The terms were changed while you had this page open. Compare with what is in "
                "force now; to enter your numbers all the same, save again.",
            )
            self.data = {**self.data, self.add_prefix("based_on"): seen}
