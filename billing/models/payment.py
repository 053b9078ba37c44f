"""Payments, and what a provider knows about each: its refunds, its disputes, and its events.

Only `billing.payments` writes them. Each row says what the provider said last; sums over the rows
need no clock. Money is in minor units.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from billing.models.top_up import TopUp

REASON_LENGTH_MAX = 300
DESCRIPTION_LENGTH_MAX = 200


class Payment(models.Model):
    """One attempt to have a top-up paid by a provider.

    ``request_key`` is our reference for it at the provider, and keeps a repeated request from
    opening a second checkout; ``description``, ``customer_email`` and ``return_url`` are what the
    provider was asked with, because a repeated request must be the same. ``amount_minor`` and
    ``currency`` are what was received: empty until it is paid. ``failure_reason`` says why it
    failed, or why the provider opened no page. ``credited_at`` is when the credits were added.
    ``ended_at`` is when it failed, was cancelled or expired. ``next_check_at`` is when the provider
    is asked about it again; empty: never.
    """

    class Status(models.TextChoices):
        """How the payment stands at the provider."""

        OPEN = "open", "Open"
        PROCESSING = "processing", "On its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="payments")
    number = models.PositiveIntegerField(help_text="Of the attempt, counted from 1.")
    gateway = models.CharField(max_length=20)
    request_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    description = models.CharField(max_length=DESCRIPTION_LENGTH_MAX, blank=True, db_default="")
    customer_email = models.EmailField(blank=True, db_default="")
    return_url = models.URLField(max_length=2000, blank=True, db_default="")
    checkout_id = models.CharField(max_length=255, blank=True)
    checkout_url = models.URLField(max_length=2000, blank=True)
    payment_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    failure_reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    amount_minor = models.PositiveBigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    created_at = models.DateTimeField()
    processing_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    credited_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider was last asked about it."
    )
    next_check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["top_up", "number"]
        constraints = [
            models.UniqueConstraint(fields=["top_up", "number"], name="payment_number_once"),
            models.UniqueConstraint(
                fields=["gateway", "checkout_id"],
                condition=~Q(checkout_id=""),
                name="payment_once_per_checkout",
            ),
            models.UniqueConstraint(
                fields=["gateway", "payment_id"],
                condition=~Q(payment_id=""),
                name="payment_once_per_payment",
            ),
            models.UniqueConstraint(
                fields=["top_up"],
                condition=Q(credited_at__isnull=False),
                name="top_up_credited_once",
            ),
            models.CheckConstraint(
                condition=Q(status="paid", paid_at__isnull=False, amount_minor__gte=1)
                & ~Q(currency="")
                | ~Q(status="paid")
                & Q(paid_at__isnull=True, credited_at__isnull=True, amount_minor__isnull=True),
                name="payment_paid_with_amount",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                name="payment_to_ask_about",
                condition=Q(next_check_at__isnull=False),
            ),
            # Sums what was sold in a month.
            models.Index(
                fields=["credited_at"],
                name="payment_credited",
                condition=Q(credited_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.top_up.receipt_number}, attempt {self.number}"


class Refund(models.Model):
    """One refund of a payment, by the provider's id.

    What we ask for is stored before the provider answers: it has a ``request_key`` and no
    ``refund_id`` yet. ``reason`` is what an operator typed, or the provider kept of it.
    ``provider_status`` is the provider's own word.
    """

    class Status(models.TextChoices):
        """How a refund stands.

        Only `STANDING` ones count. Neither does a request that nobody has answered, nor a status
        that we do not know: nothing is taken from a customer before the provider says so.
        """

        REQUESTED = "requested", "Asked for, not answered"
        PENDING = "pending", "On its way"
        SUCCEEDED = "succeeded", "Paid back"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        UNKNOWN = "unknown", "Not known"

    STANDING = (Status.PENDING, Status.SUCCEEDED)
    UNDER_WAY = (Status.REQUESTED, Status.PENDING, Status.UNKNOWN)

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    gateway = models.CharField(max_length=20)
    refund_id = models.CharField(max_length=255, blank=True)
    request_key = models.UUIDField(null=True, blank=True, unique=True)
    amount_minor = models.PositiveBigIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    provider_status = models.CharField(max_length=50, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    failure_reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "refund_id"],
                condition=~Q(refund_id=""),
                name="refund_once",
            ),
            models.CheckConstraint(
                condition=~Q(refund_id="") | Q(request_key__isnull=False), name="refund_identified"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.refund_id or 'Refund'}: {self.get_status_display().lower()}"


class Dispute(models.Model):
    """One dispute of a payment, by the provider's id: a bank takes the money back.

    Its status decides, not the movement of funds, and the newest answer of the provider counts: a
    dispute that was won can still be lost on appeal. ``returned_minor`` is what of a lost one came
    back. ``due_by`` is until when an operator can answer it. ``provider_status`` is the provider's
    own word.
    """

    class Status(models.TextChoices):
        """How a dispute stands.

        A status that we do not know is open: the bank holds the money until somebody says that it
        does not. An inquiry, and a dispute that was prevented, take no money.
        """

        INQUIRY = "inquiry", "Inquiry: no money is taken"
        PREVENTED = "prevented", "Prevented: no money was taken"
        OPEN = "open", "Open: the bank holds the money"
        LOST = "lost", "Lost: the customer has the money"
        WON = "won", "Won: the money is back"

    UNDECIDED = (Status.INQUIRY, Status.OPEN)

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    gateway = models.CharField(max_length=20)
    dispute_id = models.CharField(max_length=255)
    amount_minor = models.PositiveBigIntegerField()
    returned_minor = models.PositiveBigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status)
    provider_status = models.CharField(max_length=50, blank=True)
    opened_at = models.DateTimeField()
    due_by = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["gateway", "dispute_id"], name="dispute_once"),
            models.CheckConstraint(
                condition=Q(returned_minor__lte=F("amount_minor")), name="dispute_returned_within"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dispute_id}: {self.get_status_display()}"


class Review(models.Model):
    """Why a person has to look at a payment, and what they decided.

    ``received_…`` is what the provider says was paid where that does not fit the top-up; empty
    where the review is about something else.
    """

    class Decision(models.TextChoices):
        """What became of it."""

        ACCEPTED = "accepted", "Credited all the same"
        RETURNED = "returned", "Paid back"
        CLOSED = "closed", "Closed without either"
        SETTLED = "settled", "Settled by itself: a payment that fits has come"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="reviews")
    reason = models.CharField(max_length=REASON_LENGTH_MAX)
    received_minor = models.PositiveBigIntegerField(null=True, blank=True)
    received_currency = models.CharField(max_length=3, blank=True)
    received_payment_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision, blank=True)
    decision_reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment"], condition=Q(decision=""), name="review_open_once"
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True)
                | ~Q(decision="") & Q(decided_at__isnull=False),
                name="review_decided_at_some_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["received_payment_id"],
                name="review_received",
                condition=~Q(received_payment_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment}: {self.reason}"


class PaymentEvent(models.Model):
    """What a provider told us, stored before anything is done about it: once per event."""

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    event_type = models.CharField(max_length=100)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was last tried to process it."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["gateway", "event_id"], name="payment_event_once"),
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                name="payment_event_open",
                condition=Q(processed_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.event_type} ({self.event_id})"
