"""The sandbox provider's own books: they stand in for a payment company's database."""

from django.db import models


class SandboxCheckout(models.Model):
    """One hosted page, and the payment made on it."""

    checkout_id = models.CharField(max_length=64, primary_key=True)
    reference = models.CharField(max_length=64)
    account_reference = models.CharField(max_length=64)
    description = models.CharField(max_length=200)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    return_url = models.URLField(max_length=2000)
    cancel_url = models.URLField(max_length=2000)
    status = models.CharField(max_length=10, default="open")
    failure_reason = models.CharField(max_length=200, blank=True)
    payment_id = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    pays_at = models.DateTimeField(
        null=True, blank=True, help_text="When a payment that takes its time will arrive."
    )

    class Meta:
        constraints = [
            # The reference of an order keeps a repeated request from opening a second page.
            models.UniqueConstraint(fields=["reference"], name="sandbox_checkout_once"),
        ]

    def __str__(self) -> str:
        return self.checkout_id


class SandboxRefund(models.Model):
    """One refund of a payment."""

    refund_id = models.CharField(max_length=64, unique=True)
    checkout = models.ForeignKey(SandboxCheckout, on_delete=models.CASCADE, related_name="refunds")
    request_key = models.CharField(max_length=64, blank=True)
    amount_minor = models.PositiveBigIntegerField()
    status = models.CharField(max_length=10, default="succeeded")
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["request_key"],
                condition=~models.Q(request_key=""),
                name="sandbox_refund_once",
            ),
        ]

    def __str__(self) -> str:
        return self.refund_id


class SandboxDispute(models.Model):
    """One dispute of a payment, as its bank sees it."""

    dispute_id = models.CharField(max_length=64, unique=True)
    checkout = models.ForeignKey(SandboxCheckout, on_delete=models.CASCADE, related_name="disputes")
    amount_minor = models.PositiveBigIntegerField()
    returned_minor = models.PositiveBigIntegerField(default=0)
    status = models.CharField(max_length=10, default="open")
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.dispute_id
