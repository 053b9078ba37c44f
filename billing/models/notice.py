"""What people are told by e-mail, each thing once, and when an account wants to be warned."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from billing.models.account import Account, Membership
from billing.models.ledger import CreditGrant


class CreditWatch(models.Model):
    """How far an account's entries have been read for crossings of its thresholds."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="credit_watch"
    )
    last_seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.account}: read up to entry {self.last_seq}"


class CreditThreshold(models.Model):
    """Warn when the balance falls below a share of the plan's credits, or to a number of them."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="credit_thresholds")
    percent_of_plan = models.PositiveSmallIntegerField(
        "percent of the plan's credits",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    credits = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["account", "-percent_of_plan", "-credits"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "percent_of_plan"], name="threshold_percent_once"
            ),
            models.UniqueConstraint(fields=["account", "credits"], name="threshold_credits_once"),
            models.CheckConstraint(
                condition=Q(percent_of_plan__isnull=True, credits__isnull=False)
                | Q(percent_of_plan__range=(1, 100), credits__isnull=True),
                name="threshold_is_one_of_two",
            ),
        ]

    def __str__(self) -> str:
        if self.percent_of_plan is not None:
            return f"{self.percent_of_plan} % of the plan's credits"
        return f"{self.credits:,} credits"


class NoticeKind(models.TextChoices):
    """What an e-mail is about."""

    LOW_CREDITS = "low_credits", "Credits are low"
    EXPIRING = "expiring", "Credits expire soon"


class Notice(models.Model):
    """One thing to tell one person by e-mail. ``reference`` makes it one.

    What is due together goes in one mail: the notices of a membership with the same kind and the
    same ``days_before``, all with the same ``sent_at``. ``grant`` and ``days_before`` say which
    warning of which expiring credits it is.
    """

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=12, choices=NoticeKind)
    reference = models.CharField(max_length=300)
    grant = models.ForeignKey(
        CreditGrant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    days_before = models.PositiveSmallIntegerField(null=True, blank=True)
    context = models.JSONField(help_text="The numbers, as they were when it was noticed.")
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(
        help_text="When it may be sent: at once, or when the day's limit has room again."
    )
    sent_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(
        null=True, blank=True, help_text="When sending it last failed, if it did."
    )
    suppressed = models.CharField(
        max_length=100, blank=True, help_text="Why it was not sent, if it was not."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["membership", "reference"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(
                    kind=NoticeKind.EXPIRING, grant__isnull=False, days_before__isnull=False
                )
                | (~Q(kind=NoticeKind.EXPIRING) & Q(grant__isnull=True, days_before__isnull=True)),
                name="notice_names_what_expires",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="notice_open",
                condition=Q(sent_at__isnull=True, suppressed=""),
            ),
            models.Index(fields=["membership", "sent_at"], name="notice_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reference}"
