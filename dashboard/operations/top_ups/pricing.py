"""What operators offer for sale: packs, and what a credit costs otherwise, with the tax.

Prices are entered in the currency's main unit.
"""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from billing.activity import ActivityKind, Facts, Money, facts_of
from billing.models import Account, Pack, TopUpPricing
from billing.money import format_money, major_units, minor_units
from billing.payments.pricing import cheapest, packs_in, pricing_in
from dashboard.operations.base import EditableAdmin

PRICE_MAX = Decimal(10**8)


class PricedForm(forms.ModelForm):
    """A form with a price in main units for the model's field in minor units."""

    minor_field: str

    price = forms.DecimalField(
        min_value=0,
        max_value=PRICE_MAX,
        decimal_places=3,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text="Before tax, in the currency's main unit: 1499 or 14.99.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = getattr(self.instance, self.minor_field)
        if stored:
            self.initial["price"] = major_units(stored, self.instance.currency)

    def clean_currency(self) -> str:
        """Take small letters for what they mean."""
        return str(self.cleaned_data["currency"]).upper()

    def clean(self) -> dict[str, Any]:
        """Turn the price into minor units, which the currency must have."""
        cleaned = super().clean() or self.cleaned_data
        price, currency = cleaned.get("price"), cleaned.get("currency")
        if price is not None and currency:
            try:
                minor = minor_units(price, currency)
            except ValueError as error:
                self.add_error("price", str(error))
            else:
                if minor < 1:
                    self.add_error("price", "Enter a price above zero.")
                setattr(self.instance, self.minor_field, minor)
        return cleaned


class PackForm(PricedForm):
    """A pack as operators enter it."""

    minor_field = "price_minor"

    class Meta:
        model = Pack
        fields = ("credits", "currency", "order", "is_active", "is_best_value")

    def clean(self) -> dict[str, Any]:
        """Nobody is offered the same credits twice."""
        cleaned = super().clean()
        if not cleaned.get("is_active") or not cleaned.get("currency"):
            return cleaned
        others = packs_in(cleaned["currency"]).exclude(pk=self.instance.pk)
        same = others.filter(credits=cleaned.get("credits") or 0).first()
        if same is not None:
            price = format_money(same.price_minor, same.currency)
            self.add_error("credits", f"{same} are on offer already, for {price}. Edit that pack.")
        return cleaned


class PricingForm(PricedForm):
    """How own amounts are priced, as operators enter it."""

    minor_field = "price_minor_per_credit"
    tax_percent = forms.DecimalField(
        min_value=0,
        max_value=100,
        decimal_places=2,
        required=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text="On packs and own amounts alike. Empty: no tax.",
    )

    class Meta:
        model = TopUpPricing
        fields = ("currency", "credits_min", "credits_max", "tax_name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"].label = "Price per credit"
        if self.instance.tax_basis_points:
            self.initial["tax_percent"] = Decimal(self.instance.tax_basis_points) / 100

    def clean(self) -> dict[str, Any]:
        """The limits in order, and a tax with its name."""
        cleaned = super().clean()
        least, most = cleaned.get("credits_min"), cleaned.get("credits_max")
        if least is not None and most is not None and most < least:
            self.add_error("credits_max", f"Must be at least {least:,}, the least that is sold.")
        percent = cleaned.get("tax_percent") or 0
        if percent and not cleaned.get("tax_name"):
            self.add_error("tax_name", "Name the tax: it stands on the receipt.")
        self.instance.tax_basis_points = int(percent * 100)
        return cleaned


@admin.register(Pack)
class PackAdmin(EditableAdmin):
    """What can be bought with one click. Editing a pack changes no purchase made before."""

    form = PackForm
    noted_as = {
        "add": ActivityKind.PACK_ADDED,
        "change": ActivityKind.PACK_CHANGED,
        "delete": ActivityKind.PACK_DELETED,
    }
    list_display = ("__str__", "price", "order", "is_active", "is_best_value")
    list_filter = (("currency", admin.AllValuesFieldListFilter), ("is_active", BooleanRadioFilter))
    list_filter_submit = True
    fields = ("credits", ("price", "currency"), "order", "is_active", "is_best_value")

    def save_model(self, request: HttpRequest, obj: Pack, form: Any, change: bool) -> None:
        """Store it, and say so where nobody will see it."""
        super().save_model(request, obj, form, change)
        pricing = pricing_in(obj.currency)
        if pricing is None and not Account.objects.filter(currency=obj.currency).exists():
            messages.warning(
                request,
                f"No account pays in {obj.currency}, and no top-up pricing is in it: is the "
                "currency right? Nobody is offered this pack.",
            )
        on_offer = packs_in(obj.currency)
        if obj.is_active and obj.is_best_value and cheapest(on_offer, pricing) != obj:
            messages.warning(
                request,
                f"{obj} are not marked as the best value: something else on offer costs as little "
                "per credit, or less.",
            )

    def facts(self, record: Pack) -> Facts:
        return {
            **facts_of(record, "credits", "order", "is_active", "is_best_value"),
            "price": Money(record.price_minor, record.currency),
        }

    @admin.display(description="Price before tax")
    def price(self, pack: Pack) -> str:
        """With its currency."""
        return format_money(pack.price_minor, pack.currency)


@admin.register(TopUpPricing)
class TopUpPricingAdmin(EditableAdmin):
    """What a credit costs where somebody chooses the amount, and the tax, by currency."""

    form = PricingForm
    noted_as = {
        "add": ActivityKind.PRICING_ADDED,
        "change": ActivityKind.PRICING_CHANGED,
        "delete": ActivityKind.PRICING_DELETED,
    }
    list_display = ("currency", "price", "credits_min", "credits_max", "tax")
    fields = (("price", "currency"), ("credits_min", "credits_max"), ("tax_name", "tax_percent"))

    def facts(self, record: TopUpPricing) -> Facts:
        return {
            "price_per_credit": Money(record.price_minor_per_credit, record.currency),
            **facts_of(record, "credits_min", "credits_max"),
            "tax": self.tax(record),
        }

    @admin.display(description="Price per credit")
    def price(self, pricing: TopUpPricing) -> str:
        """With its currency."""
        return format_money(pricing.price_minor_per_credit, pricing.currency)

    @admin.display(description="Tax")
    def tax(self, pricing: TopUpPricing) -> str:
        """Its name and percentage."""
        if not pricing.tax_basis_points:
            return "none"
        return f"{pricing.tax_name} {pricing.tax_basis_points / 100:g} %"
