"""Top-ups: what can be bought, each purchase as a state machine, and what the provider told us.

Only `billing.payments` writes purchases. Money is in minor units (paise, cents) with its currency.
"""

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from billing.models.account import Account
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
    """How an amount of one's own is priced in a currency, and the tax on every top-up in it."""

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


class TopUpState(models.TextChoices):
    """Where a purchase stands. What may follow what is `billing.payments.transitions`."""

    PENDING = "pending", "Waiting for payment"
    PROCESSING = "processing", "Payment on its way"
    PAID = "paid", "Paid"
    CREDITED = "credited", "Credited"
    FAILED = "failed", "Declined"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    REFUNDED = "refunded", "Refunded"


class ParkedDecision(models.TextChoices):
    """What an operator did about a payment that does not fit."""

    ACCEPTED = "accepted", "Credited all the same"
    RETURNED = "returned", "Paid back"
    CLOSED = "closed", "Closed without either"


class TopUp(models.Model):
    """One purchase of credits: what was asked for, where it stands, and since when.

    ``public_id`` is the reference that the provider gets and the address shows.
    ``account_reference`` is what the provider was told of whose it is: the account's id, in older
    ones its slug at the time.
    ``idempotency_key`` comes with the form, so that a form sent twice buys once.
    ``parked_reason`` says why an operator has to look; nothing is credited until one has.
    ``received_…`` is what the provider says was paid, which is then not what was asked for.
    ``decided_about`` is the reason that was decided about: it does not park the top-up again.
    ``refunded_minor`` is the sum of refunds, ``disputed_minor`` what the customer's bank holds back
    while it is not decided, ``lost_minor`` what was decided for the customer.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="top_ups")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account_reference = models.CharField(max_length=64)
    idempotency_key = models.CharField(max_length=64)
    credits = models.PositiveBigIntegerField()
    price_minor = models.PositiveBigIntegerField()
    tax_minor = models.PositiveBigIntegerField(default=0)
    tax_name = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3)

    gateway = models.CharField(max_length=20)
    checkout_id = models.CharField(max_length=255, blank=True)
    checkout_url = models.URLField(max_length=2000, blank=True)
    payment_id = models.CharField(max_length=255, blank=True)

    state = models.CharField(max_length=10, choices=TopUpState, default=TopUpState.PENDING)
    failure_reason = models.CharField(max_length=300, blank=True)
    received_minor = models.PositiveBigIntegerField(null=True, blank=True)
    received_currency = models.CharField(max_length=3, blank=True)
    received_payment_id = models.CharField(max_length=255, blank=True)
    parked_reason = models.CharField(max_length=300, blank=True)
    decision = models.CharField(max_length=10, choices=ParkedDecision, blank=True)
    decision_reason = models.CharField(max_length=300, blank=True)
    decided_about = models.CharField(max_length=300, blank=True)

    refunded_minor = models.PositiveBigIntegerField(default=0)
    disputed_minor = models.PositiveBigIntegerField(default=0)
    lost_minor = models.PositiveBigIntegerField(default=0)
    refund_reason = models.CharField(max_length=300, blank=True)
    refund_failure = models.CharField(max_length=300, blank=True)
    refusals = models.PositiveIntegerField(
        default=0,
        help_text="Requests that the provider answered with an error: the next has a new key.",
    )

    created_at = models.DateTimeField()
    processing_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    credited_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    refunded_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    refunds_as_of = models.DateTimeField(
        null=True, blank=True, help_text="When the sum of refunds was as it stands here."
    )
    checked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider was last asked about it."
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "idempotency_key"], name="top_up_once_per_form"
            ),
            models.UniqueConstraint(
                fields=["gateway", "checkout_id"],
                condition=~Q(checkout_id=""),
                name="top_up_once_per_checkout",
            ),
            models.UniqueConstraint(
                fields=["gateway", "payment_id"],
                condition=~Q(payment_id=""),
                name="top_up_once_per_payment",
            ),
            models.CheckConstraint(
                condition=Q(credits__gte=1, price_minor__gte=1)
                & Q(
                    refunded_minor__lte=Greatest(
                        F("price_minor") + F("tax_minor"), Coalesce("received_minor", 0)
                    )
                ),
                name="top_up_amounts",
            ),
            models.CheckConstraint(
                condition=~Q(state=TopUpState.CREDITED)
                | Q(credited_at__isnull=False, paid_at__isnull=False),
                name="top_up_credited_was_paid",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "created_at"], name="top_up_of_account"),
            models.Index(
                fields=["received_payment_id"],
                name="top_up_received",
                condition=~Q(received_payment_id=""),
            ),
            # What the sweeper asks the provider about.
            models.Index(
                fields=["checked_at"],
                name="top_up_open",
                condition=~Q(state__in=[TopUpState.CREDITED, TopUpState.REFUNDED]),
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.receipt_number}: {self.credits:,} credits, {self.get_state_display().lower()}"
        )

    @property
    def total_minor(self) -> int:
        """What the customer pays, tax included, in minor units."""
        return self.price_minor + self.tax_minor

    @property
    def is_being_checked(self) -> bool:
        """Whether the customer waits for an operator: unless the payment has failed since."""
        over_at = {
            TopUpState.FAILED: self.failed_at,
            TopUpState.CANCELLED: self.cancelled_at,
            TopUpState.EXPIRED: self.expired_at,
        }.get(TopUpState(self.state))
        is_over = over_at is not None and self.parked_at is not None and over_at > self.parked_at
        return bool(self.parked_reason) and self.credited_at is None and not is_over

    @property
    def paid_minor(self) -> int:
        """What its payment is, or has to be: an operator may have taken another amount for it."""
        return (self._is_settled_as_received and self.received_minor) or self.total_minor

    @property
    def paid_currency(self) -> str:
        """The currency of `paid_minor`, refunds and disputes."""
        return (self._is_settled_as_received and self.received_currency) or self.currency

    @property
    def is_paid_as_asked(self) -> bool:
        """Whether its payment is of the total that was asked for: price and tax add up to it."""
        asked_for = (self.total_minor, self.currency)
        return (self.paid_minor, self.paid_currency) == asked_for

    @property
    def _is_settled_as_received(self) -> bool:
        return self.decision in (ParkedDecision.ACCEPTED, ParkedDecision.RETURNED)

    @property
    def paid_back_minor(self) -> int:
        """What the customer has got back, by refunds and by disputes they won."""
        return min(self.refunded_minor + self.lost_minor, self.paid_minor)

    @property
    def gone_minor(self) -> int:
        """What of the payment is not there: paid back, or held back until a dispute is decided."""
        return min(self.paid_back_minor + self.disputed_minor, self.paid_minor)

    @property
    def receipt_number(self) -> str:
        """What people name the top-up by."""
        return f"TU-{self.pk:06d}"


class PaymentDispute(models.Model):
    """One dispute of a top-up's payment, as it stands by the latest that the provider said."""

    class Status(models.TextChoices):
        """Later ones are final over earlier ones, in whatever order they are reported."""

        OPEN = "open", "Open"
        LOST = "lost", "Lost: the customer has the money"
        WON = "won", "Won: the money is back"

    top_up = models.ForeignKey(TopUp, on_delete=models.PROTECT, related_name="disputes")
    dispute_id = models.CharField(max_length=255)
    amount_minor = models.PositiveBigIntegerField()
    status = models.CharField(max_length=10, choices=Status)
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["top_up", "dispute_id"], name="dispute_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dispute_id}: {self.get_status_display().lower()}"


class PaymentEvent(models.Model):
    """What a provider told us, stored before anything is done about it: once per event."""

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    event_type = models.CharField(max_length=100)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=300, blank=True)
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


class SandboxCheckout(models.Model):
    """The sandbox provider's own books: it stands in for a payment company's database."""

    checkout_id = models.CharField(max_length=64, primary_key=True)
    reference = models.CharField(max_length=64)
    account_reference = models.CharField(max_length=64)
    description = models.CharField(max_length=200)
    amount_minor = models.PositiveBigIntegerField()
    currency = models.CharField(max_length=3)
    idempotency_key = models.CharField(max_length=64, unique=True)
    return_url = models.URLField(max_length=2000)
    cancel_url = models.URLField(max_length=2000)
    status = models.CharField(max_length=10, default="open")
    failure_reason = models.CharField(max_length=200, blank=True)
    payment_id = models.CharField(max_length=64, blank=True)
    refunded_minor = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    pays_at = models.DateTimeField(
        null=True, blank=True, help_text="When a payment that takes its time will arrive."
    )

    def __str__(self) -> str:
        return self.checkout_id
