"""The form fields that terms are entered in, and the preview of what calls would cost."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from billing.models import CustomTerms, Subscription, Terms
from billing.models.currency import currency_code
from billing.models.plan import (
    CREDITS_PER_CYCLE_MAX,
    CREDITS_PER_INCREMENT_MAX,
    INCREMENT_SECONDS_MAX,
)
from billing.money import format_money, major_units, minor_units
from billing.plans.rating import Charge, Tariff
from billing.plans.tariffs import in_force
from billing.plans.terms import TYPICAL_CALLS, TermsError, effective_instant, typical_charges
from billing.zones import local

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
OWN_LAYOUT = (
    ("increment_seconds", "credits_per_increment"),
    "typical_calls",
    ("price", "credits_per_cycle"),
    "concurrent_calls",
)
OWN_TERMS = "Custom terms (optional)"
OWN_TERMS_ABOUT = (
    "Leave all of them empty for what the plan gives to everyone. Terms entered here hold in place "
    "of that from the first moment on, for as long as the account stays on the plan."
)
AGREED = "Empty: agreed with each account."
NO_CREDITS = "Granted at the start of each billing cycle. Empty: none are granted."
FROM_THE_CHANGE = "UTC. Empty: from the change of plan on, and never before it."
IN_FORCE = "in-force"
PREVIEW = "admin/billing/terms_preview.html"
AS_AGREED = "as agreed"
TABLE_HEADERS = (
    "",
    "From",
    "Price a cycle",
    "Credits a cycle",
    "Credits per increment",
    *(f"{name} cost" for name in TYPICAL_CALLS),
    "Calls at once",
)


class InstantField(forms.DateTimeField):
    """A date and time of ``zone``, entered with the browser's own control."""

    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
    default_error_messages = {
        "invalid": "There is no such day or time. Write it like 2026-11-23 14:05."
    }
    zone: tzinfo = UTC

    def in_zone(self, zone: ZoneInfo) -> None:
        """Take and show times of ``zone``, and say so."""
        self.zone = zone
        self.help_text = str(self.help_text).replace("UTC", f"{zone.key} time")

    def to_python(self, value: Any) -> datetime | None:
        """The instant that the wall clock of the zone shows so, if it does, and once."""
        try:
            with timezone.override(self.zone):
                return super().to_python(value)
        except forms.ValidationError as error:
            if error.code != "ambiguous_timezone" or not error.params:
                raise
            time = error.params["datetime"].replace(tzinfo=self.zone)
        # Set back, the clock's second reading has the smaller offset.
        twice = time.utcoffset() > time.replace(fold=1).utcoffset()
        raise forms.ValidationError(
            f"“{self.label}” is {local(time, self.zone)}, "
            + (
                "which comes twice, because the clocks are set back then. "
                if twice
                else "which never comes, because the clocks are set forward then. "
            )
            + "Choose a time an hour earlier or later."
        )

    def prepare_value(self, value: Any) -> Any:
        """Write an instant the way the control reads it."""
        if isinstance(value, datetime):
            return value.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")
        return value


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
        return render_to_string(PREVIEW, context)


class OwnTermsFields(TermsNumbers):
    """Terms that an account is given along with a plan, in its own currency; or none of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in TariffFields.base_fields:
            self.fields[name].required = False
        self.fields["price"].help_text = f"In the account’s currency. {AGREED}"
        self.fields["credits_per_cycle"].help_text = NO_CREDITS

    def check_own_terms(self, *, currency: str | None) -> None:
        """Where any of the numbers is entered, those without which there is no tariff are too."""
        names = [name for name in NUMBERS if name in self.fields and name != "currency"]
        filled = {name for name in names if self.cleaned_data.get(name) is not None}
        self.has_own_terms = bool(filled or self.errors.keys() & names)
        for name in TariffFields.base_fields:
            if self.has_own_terms and name not in filled and name not in self.errors:
                self.add_error(
                    name,
                    "Custom terms need this one too. "
                    "For what the plan gives to everyone, leave all of them empty.",
                )
        if currency is not None:
            self.cleaned_data["currency"] = currency
        self.check_price(currency)

    def own_terms(self) -> CustomTerms | None:
        """The terms entered; None where all were left empty."""
        if not self.has_own_terms:
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
        try:
            effective_instant(cleaned.get("effective_from"), now=now, taken=taken, zone=zone)
        except TermsError as error:
            self.add_error(error.field, str(error))
        seen = self.shown.pk if self.shown else None
        if cleaned.get("based_on") != seen:
            self.add_error(
                None,
                "The terms were changed while you had this page open. Compare with what is in "
                "force now; to enter your numbers all the same, save again.",
            )
            self.data = {**self.data, self.add_prefix("based_on"): seen}


def instant_field(form: forms.Form) -> InstantField:
    """The field of ``form`` that says from when something is in force."""
    field = form.fields["effective_from"]
    assert isinstance(field, InstantField)
    return field


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


def terms_table(terms: Sequence[Terms], *, now: datetime, zone: tzinfo = UTC) -> dict[str, Any]:
    """Stored ``terms``, latest first, in the shape that Unfold's table component takes."""
    current = in_force(sorted(terms, key=lambda one: one.effective_from), now)
    return {
        "headers": TABLE_HEADERS,
        "rows": [
            [
                _state(one, current, now),
                local(one.effective_from, zone),
                AS_AGREED
                if one.price_minor is None
                else format_money(one.price_minor, one.currency),
                _number(one.credits_per_cycle),
                str(one.tariff),
                *(f"{typical.charge.credits:,}" for typical in typical_charges(one.tariff)),
                _number(one.concurrent_calls),
            ]
            for one in terms
        ],
    }


def _charges(tariff: Tariff | None) -> list[Charge | None]:
    if tariff is None:
        return [None] * len(TYPICAL_CALLS)
    return [typical.charge for typical in typical_charges(tariff)]


def _state(terms: Terms, current: Terms | None, now: datetime) -> SafeString | str:
    if terms.effective_from > now:
        name = f"admin:billing_{terms._meta.model_name}_change"
        return format_html(
            '<a href="{}" class="text-link">Planned: change or delete</a>',
            reverse(name, args=[terms.pk]),
        )
    return "In force" if terms == current else "Past"


def _number(value: int | None) -> str:
    return AS_AGREED if value is None else f"{value:,}"
