"""Plans, their effective-dated terms, and which account is on which plan since when.

Nothing here has an end date: of the rows that apply, the latest one whose ``effective_from`` has
come is in force. So there are no gaps and no overlaps to check, and a change is always a new row.
Which tariff that makes at an instant is `billing.plans.tariffs`.
"""

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pgtrigger
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from billing.models.account import Account
from billing.models.currency import prices_in_minor_units
from billing.models.look_again import look_again
from billing.plans.cycles import Cycle, cycle_at, cycles
from billing.plans.rating import Tariff

# A day is far above every increment that is sold, and keeps a typing error from costing a year.
INCREMENT_SECONDS_MAX = 86_400
CREDITS_PER_INCREMENT_MAX = 1_000_000
CREDITS_PER_CYCLE_MAX = 1_000_000_000


# What moves the thresholds that are a share of the credits of a cycle.
TERMS_CHANGE = (
    pgtrigger.Insert | pgtrigger.UpdateOf("effective_from", "credits_per_cycle") | pgtrigger.Delete
)


class Plan(models.Model):
    """What an account can subscribe to. Its numbers are in its terms."""

    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=300, blank=True)
    order = models.PositiveSmallIntegerField(default=0, help_text="Lower comes first.")
    is_active = models.BooleanField(
        default=True, help_text="Inactive plans stay with who has them, and are no longer offered."
    )

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class Terms(models.Model):
    """The numbers of a plan from an instant on. An empty one is agreed with each account."""

    effective_from = models.DateTimeField(db_index=False)
    prices = models.JSONField(
        "prices per cycle",
        default=dict,
        blank=True,
        validators=[prices_in_minor_units],
        help_text="In minor units, by currency: INR 199900 is INR 1,999.00. An account sees the "
        "one in its own currency. Empty: agreed with each account.",
    )
    credits_per_cycle = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(CREDITS_PER_CYCLE_MAX)],
        help_text="Granted at the start of each billing cycle. Empty: agreed with each account.",
    )
    increment_seconds = models.PositiveIntegerField(
        "billing increment, seconds",
        validators=[MinValueValidator(1), MaxValueValidator(INCREMENT_SECONDS_MAX)],
    )
    credits_per_increment = models.PositiveIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(CREDITS_PER_INCREMENT_MAX)],
    )
    concurrent_calls = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Empty: agreed with each account.",
    )

    class Meta:
        abstract = True
        ordering = ["-effective_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(increment_seconds__range=(1, INCREMENT_SECONDS_MAX)),
                name="%(class)s_increment_seconds_in_range",
            ),
            models.CheckConstraint(
                condition=Q(credits_per_increment__range=(1, CREDITS_PER_INCREMENT_MAX)),
                name="%(class)s_credits_per_increment_in_range",
            ),
        ]

    def price_in(self, currency: str) -> int | None:
        """The price per cycle in ``currency``, in minor units; None where one has to ask."""
        price: int | None = self.prices.get(currency)
        return price

    @cached_property
    def tariff(self) -> Tariff:
        """Increment and price per increment, as rating takes them; of stored terms."""
        return Tariff(
            increment_seconds=self.increment_seconds,
            credits_per_increment=self.credits_per_increment,
        )


class PlanTerms(Terms):
    """What a plan gives to everyone on it, from ``effective_from`` on."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="terms")

    class Meta(Terms.Meta):
        verbose_name_plural = "plan terms"
        constraints = [
            *Terms.Meta.constraints,
            models.UniqueConstraint(
                fields=["plan", "effective_from"], name="planterms_one_per_instant"
            ),
        ]
        triggers = [
            look_again(
                TERMS_CHANGE,
                accounts="SELECT DISTINCT account_id FROM billing_subscription"
                " WHERE plan_id = changed.plan_id",
                look_at="changed.effective_from",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} from {self.effective_from:%-d %b %Y}"


class Subscription(models.Model):
    """An account is on ``plan`` from ``effective_from`` until its next subscription.

    ``ended_at`` is when the account was closed: from then on no cycle begins, and no call is taken.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="subscriptions")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="subscriptions")
    effective_from = models.DateTimeField()
    time_zone = models.CharField(
        max_length=64,
        help_text="The account's when it subscribed: its cycles keep to that clock, so that no day "
        "is in two of them, or in none, when the account moves.",
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    # Written by `billing.plans.subscriptions.renew`.
    begun_at = models.DateTimeField(
        null=True, blank=True, help_text="When its beginning was booked. Empty: still to come."
    )
    due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it next has to be looked at: its beginning, then the next cycle or change "
        "of terms that may grant credits. Empty: nothing is to come.",
    )

    class Meta:
        ordering = ["-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "effective_from"], name="subscription_one_per_instant"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="subscription_due", condition=Q(due_at__isnull=False)
            ),
        ]
        triggers = [
            look_again(
                pgtrigger.Insert
                | pgtrigger.UpdateOf("plan_id", "effective_from")
                | pgtrigger.Delete,
                accounts="SELECT changed.account_id",
                look_at="changed.effective_from",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} on {self.plan} from {self.effective_from:%-d %b %Y}"

    def cycles(self, *, until: datetime) -> Iterator[Cycle]:
        """Its billing cycles that have begun by ``until``, oldest first."""
        return cycles(anchor=self.effective_from, zone=ZoneInfo(self.time_zone), until=until)

    def cycle_at(self, at: datetime) -> Cycle:
        """The billing cycle that ``at`` lies in; the first one, where it has not begun."""
        return cycle_at(anchor=self.effective_from, zone=ZoneInfo(self.time_zone), at=at)


class CustomTerms(Terms):
    """Terms agreed with one account, in place of its plan's, for as long as it stays on it."""

    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="custom_terms"
    )

    class Meta(Terms.Meta):
        verbose_name_plural = "custom terms"
        constraints = [
            *Terms.Meta.constraints,
            models.UniqueConstraint(
                fields=["subscription", "effective_from"], name="customterms_one_per_instant"
            ),
        ]
        triggers = [
            look_again(
                TERMS_CHANGE,
                accounts="SELECT account_id FROM billing_subscription"
                " WHERE id = changed.subscription_id",
                look_at="changed.effective_from",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subscription.account}: custom terms from {self.effective_from:%-d %b %Y}"
