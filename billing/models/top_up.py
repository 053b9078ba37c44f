"""Top-ups: what was ordered. Whether it was paid is said by its payments.

Only `billing.payments` writes them. Money is in minor units (paise, cents) of the currency.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models.account import Account


class TopUpState(models.TextChoices):
    """Where a top-up stands, as pages say it. It is computed: see `billing.payments.states`."""

    UNOPENED = "unopened", "Not begun"
    PENDING = "pending", "Waiting for payment"
    PROCESSING = "processing", "Payment on its way"
    CHECKING = "checking", "Being checked"
    FAILED = "failed", "Declined"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    CLOSED = "closed", "Closed"
    PAID = "paid", "Paid"
    CREDITED = "credited", "Credited"
    DISPUTED = "disputed", "Disputed"
    PARTLY_REFUNDED = "partly", "Partly refunded"
    REFUNDED = "refunded", "Refunded"


class TopUp(models.Model):
    """One order of credits at a price that never changes.

    ``public_id`` is what its address shows. ``idempotency_key`` comes with the form, so that a form
    sent twice orders once.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="top_ups")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    idempotency_key = models.CharField(max_length=64)
    credits = models.PositiveBigIntegerField()
    price_minor = models.PositiveBigIntegerField()
    tax_minor = models.PositiveBigIntegerField(default=0)
    tax_name = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "top-up"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "idempotency_key"], name="top_up_once_per_form"
            ),
            models.CheckConstraint(
                condition=Q(credits__gte=1, price_minor__gte=1), name="top_up_sells_something"
            ),
        ]
        indexes = [models.Index(fields=["account", "created_at"], name="top_up_of_account")]

    def __str__(self) -> str:
        return f"{self.receipt_number}: {self.credits:,} credits"

    @property
    def total_minor(self) -> int:
        """What the customer is asked to pay, tax included."""
        return self.price_minor + self.tax_minor

    @property
    def receipt_number(self) -> str:
        """What people name the top-up by."""
        return f"TU-{self.pk:06d}"
