"""What people are told by e-mail, each thing once, and when an account wants to be warned."""

import pgtrigger
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from billing.models.account import Account
from billing.models.grant import CreditGrant
from billing.models.look_again import look_again


class CreditWatch(models.Model):
    """Says that an account's thresholds are kept as rows, and is the row that a look locks."""

    account = models.OneToOneField(
        Account, on_delete=models.CASCADE, primary_key=True, related_name="credit_watch"
    )

    def __str__(self) -> str:
        return f"Warnings of {self.account}"


class CreditLook(models.Model):
    """Look at ``account`` for warnings at ``look_at`` (empty: at once), whatever was posted."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", db_constraint=False
    )
    look_at = models.DateTimeField(null=True, blank=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.account}: {self.look_at or 'at once'}"


class ImportUnderWay(models.Model):
    """An import into ``account``, and when it last moved: nobody is warned in the middle of it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    moved_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "imports under way"

    def __str__(self) -> str:
        return f"{self.account}: moved at {self.moved_at}"


class CreditThreshold(models.Model):
    """Warn when the balance falls below a share of the plan's credits, or to a number of them.

    ``level`` and ``above_seq`` are what the latest look found: the balance at or below which the
    threshold is reached, and the last entry at which the balance was above that. So a look needs to
    read only the entries since.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="credit_thresholds")
    percent_of_plan = models.PositiveSmallIntegerField(
        "percent of the plan's credits",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    credits = models.BigIntegerField(null=True, blank=True)
    level = models.BigIntegerField(
        null=True, blank=True, help_text="Empty: not looked at, or a share of a plan without any."
    )
    above_seq = models.BigIntegerField(default=0)

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
        triggers = [look_again(pgtrigger.Insert, accounts="SELECT changed.account_id")]

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

    What is due together goes in one mail: the notices about an account to a person with the same
    kind and the same ``days_before``, all with the same ``sent_at``. ``grant`` and ``days_before``
    say which warning of which expiring credits it is. ``seq`` and ``balance`` are the account's
    latest entry and its balance at the latest attempt to warn of low credits: once it is sent,
    what the person knows.

    It names person and account, not the membership: what was sent is known for as long as the
    account is, whoever has left it since.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="notices"
    )
    address = models.EmailField(max_length=254, help_text="Where it goes or has gone.")
    kind = models.CharField(max_length=12, choices=NoticeKind)
    reference = models.CharField(max_length=300)
    grant = models.ForeignKey(
        CreditGrant, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    days_before = models.PositiveSmallIntegerField(null=True, blank=True)
    context = models.JSONField(
        help_text="The numbers as they were when it was noticed, or at the latest attempt."
    )
    seq = models.BigIntegerField(null=True, blank=True)
    balance = models.BigIntegerField(null=True, blank=True)
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
            models.UniqueConstraint(fields=["account", "user", "reference"], name="notice_once"),
            models.CheckConstraint(
                condition=Q(
                    kind=NoticeKind.EXPIRING, grant__isnull=False, days_before__isnull=False
                )
                | (~Q(kind=NoticeKind.EXPIRING) & Q(grant__isnull=True, days_before__isnull=True)),
                name="notice_names_what_expires",
            ),
            models.CheckConstraint(
                condition=~Q(kind=NoticeKind.LOW_CREDITS)
                | Q(sent_at__isnull=True)
                | Q(seq__isnull=False, balance__isnull=False),
                name="notice_says_which_balance",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                name="notice_open",
                condition=Q(sent_at__isnull=True, suppressed=""),
            ),
            models.Index(fields=["user", "sent_at"], name="notice_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reference}"
