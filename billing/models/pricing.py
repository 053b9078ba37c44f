"""What top-ups cost: packs, and by currency the custom rate and the tax.

Money is in minor units.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from billing.models.currency import currency_code

CREDITS_MAX = 10_000_000
PRICE_MINOR_MAX = 10_000_000_000


class Pack(models.Model):
    """A number of credits at a price, offered to accounts that pay in its currency."""

    credits = models.PositiveBigIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(CREDITS_MAX)]
    )
    price_minor = models.PositiveBigIntegerField(
        "price, in minor units",
        validators=[MinValueValidator(1), MaxValueValidator(PRICE_MINOR_MAX)],
        help_text="Before tax. 149900 is INR 1,499.00.",
    )
    currency = models.CharField(max_length=3, default="INR", validators=[currency_code])
    order = models.PositiveSmallIntegerField(default=0, help_text="Lower comes first.")
    is_active = models.BooleanField(default=True, help_text="Whether it is offered.")
    is_best_value = models.BooleanField(
        "best value",
        default=False,
        help_text="Marks it so on the page, as long as nothing else costs as little per credit.",
    )

    class Meta:
        ordering = ["currency", "order", "credits"]
        constraints = [
            models.CheckConstraint(
                condition=Q(credits__gte=1, price_minor__gte=1), name="pack_sells_something"
            ),
            models.UniqueConstraint(
                fields=["currency", "credits"],
                condition=Q(is_active=True),
                name="pack_once_on_offer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.credits:,} credits"


class TopUpPricing(models.Model):
    """How a custom amount is priced in a currency, and the tax on every top-up in it.

    The custom rate is for amounts below the smallest pack; see `billing.payments.pricing`.
    """

    currency = models.CharField(max_length=3, unique=True, validators=[currency_code])
    price_minor_per_credit = models.PositiveBigIntegerField(
        "price per credit, in minor units", validators=[MinValueValidator(1)]
    )
    credits_min = models.PositiveBigIntegerField(default=10, validators=[MinValueValidator(1)])
    credits_max = models.PositiveBigIntegerField(
        default=100_000, validators=[MinValueValidator(1), MaxValueValidator(CREDITS_MAX)]
    )
    tax_name = models.CharField(max_length=20, blank=True, help_text="Such as GST. Empty: no tax.")
    tax_basis_points = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(10_000)],
        help_text="Hundredths of a percent: 1800 is 18 %.",
    )

    class Meta:
        ordering = ["currency"]
        verbose_name = "top-up pricing"
        verbose_name_plural = "top-up pricing"
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    price_minor_per_credit__gte=1,
                    credits_min__gte=1,
                    credits_max__gte=F("credits_min"),
                    tax_basis_points__lte=10_000,
                ),
                name="pricing_limits_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.currency
