"""The ledger's tables: entries, the balance and the daily rollup. Grants are in `grant`.

Only `billing.ledger` writes them. Entries are append-only: the model, its querysets and the
database (triggers) each refuse to change or delete one.
"""

from typing import Any, NoReturn

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper

from billing.models.account import Account
from billing.plans.rating import UsageType
from billing.texts import in_credits

APPEND_ONLY = "Ledger entries are append-only: post a correction or an adjustment instead."

CALL_ID_LENGTH_MAX = 200
AGENT_LENGTH_MAX = 100
REMARKS_LENGTH_MAX = 500


class AppendOnlyError(TypeError):
    """Somebody tried to change or delete a ledger entry."""


class Kind(models.TextChoices):
    """Why credits moved."""

    CALL = "call", "Call"
    CORRECTION = "correction", "Correction"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    TOP_UP = "top_up", "Top-up"
    PLAN_CREDITS = "plan_credits", "Plan credits"
    EXPIRY = "expiry", "Expiry"
    ADJUSTMENT = "adjustment", "Adjustment"
    REFUND = "refund", "Refund"

    @property
    def is_usage(self) -> bool:
        """Whether credits were used, by a call; all other kinds add credits or take them away."""
        return self in (Kind.CALL, Kind.CORRECTION, Kind.WITHDRAWAL)


# For queries and constraints.
USAGE_KINDS = tuple(kind for kind in Kind if kind.is_usage)

USAGE_TYPES = [(usage.value, usage.value.capitalize()) for usage in UsageType]


class AppendOnlyQuerySet(models.QuerySet):
    """Reads like any queryset, and refuses to update or delete."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(APPEND_ONLY)

    def delete(self) -> NoReturn:
        raise AppendOnlyError(APPEND_ONLY)


class LedgerEntry(models.Model):
    """One movement of credits, with the balance it left.

    ``occurred_at`` is when it happened in the world, ``posted_at`` when it was booked; ``seq``
    counts an account's entries in posting order, without gaps, and ``balance_after`` follows it.
    Credits used are negative, credits added positive.

    ``remarks`` are what a person typed or a record brought. Everything else that is known of an
    entry is a column; words about it are made when it is shown.
    """

    # The database does not check this key: checking it for each row halves the speed of a batch.
    # No entry is written without the lock on the account's Balance, whose key is checked, and
    # audit_ledger proves it again.
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    credits = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    reference = models.CharField(
        max_length=255, help_text="Unique within the account, so that a retry posts nothing twice."
    )
    occurred_at = models.DateTimeField()
    posted_at = models.DateTimeField()
    remarks = models.CharField(max_length=REMARKS_LENGTH_MAX, blank=True)
    # What the log is filtered by. Empty on rows that no call caused.
    call_id = models.CharField(max_length=CALL_ID_LENGTH_MAX, blank=True, db_collation="C")
    usage_type = models.CharField(max_length=11, blank=True, choices=USAGE_TYPES)
    agent = models.CharField(max_length=AGENT_LENGTH_MAX, blank=True)
    billed_seconds = models.BigIntegerField(
        default=0,
        help_text="Billed by the call, or the difference that a correction or withdrawal makes.",
    )
    billable_us = models.BigIntegerField(
        default=0, help_text="Billable time of the call before rounding, in microseconds."
    )
    increment_seconds = models.PositiveIntegerField(
        default=0, help_text="The billing increment that the call was rated by."
    )
    call_status = models.CharField(max_length=9, blank=True)
    changes = models.JSONField(
        null=True,
        blank=True,
        help_text="What a correction changed, or the withdrawal of one alone: by name, the value "
        "before and after.",
    )
    # What else moved credits. Neither key is checked by the database, as the account's is not.
    plan_name = models.CharField(max_length=80, blank=True)
    top_up = models.ForeignKey(
        "billing.TopUp",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
        db_constraint=False,
        db_index=False,
    )
    paid_by = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Number of the entry whose grant these credits came from or returned to, where "
        "it is one grant and all of them. Read `GrantUse` instead.",
    )
    import_id = models.BigIntegerField(
        "import",
        null=True,
        blank=True,
        help_text="Number of the import of a file that brought it; a withdrawal has that of the "
        "entry it undoes. Nothing more is known of imports here.",
    )

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="entry_seq_once"),
            models.UniqueConstraint(fields=["account", "reference"], name="entry_reference_once"),
            models.CheckConstraint(
                condition=Q(seq__gte=1) & ~Q(reference=""), name="entry_identified"
            ),
            models.CheckConstraint(
                condition=Q(kind=Kind.CALL, credits__lte=0)
                | Q(kind__in=[Kind.CORRECTION, Kind.WITHDRAWAL])
                | Q(kind__in=[Kind.TOP_UP, Kind.PLAN_CREDITS], credits__gt=0)
                | Q(kind=Kind.REFUND, credits__lt=0)
                # Positive: taken back, because the credits were used before they expired.
                | (Q(kind=Kind.EXPIRY, paid_by__isnull=False) & ~Q(credits=0))
                | (Q(kind=Kind.ADJUSTMENT) & ~Q(credits=0) & ~Q(remarks="")),
                name="entry_sign_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=USAGE_KINDS, usage_type__in=[usage.value for usage in UsageType]
                )
                & ~Q(call_id="")
                | ~Q(kind__in=USAGE_KINDS) & Q(call_id="", usage_type="", agent=""),
                name="entry_names_its_call",
            ),
        ]
        indexes = [
            # Pages the log: written ascending, read backwards, so that it stays dense. What the
            # log is filtered by is included, so that rows are skipped in the index alone.
            models.Index(
                fields=["account", "occurred_at", "id"],
                include=["kind", "usage_type", "agent"],
                name="entry_log",
            ),
            # Rows that are not calls are few among millions: their filter has its own index.
            models.Index(
                fields=["account", "kind", "occurred_at", "id"],
                include=["usage_type", "agent"],
                name="entry_log_not_calls",
                condition=~Q(kind=Kind.CALL),
            ),
            models.Index(
                fields=["account", "agent", "occurred_at", "id"],
                include=["kind", "usage_type"],
                name="entry_log_agent",
                condition=~Q(agent=""),
            ),
            # In capitals, because people search without regard to them.
            models.Index(
                F("account"), Upper("call_id"), name="entry_call", condition=~Q(call_id="")
            ),
            models.Index(fields=["top_up"], name="entry_top_up", condition=Q(top_up__isnull=False)),
            # Pages and counts the log of one import.
            models.Index(
                fields=["account", "import_id", "occurred_at", "id"],
                include=["kind", "usage_type", "agent"],
                name="entry_log_import",
                condition=Q(import_id__isnull=False),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.credits:+d} ({self.reference})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only."""
        if not self._state.adding:
            raise AppendOnlyError(APPEND_ONLY)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError(APPEND_ONLY)


class Balance(models.Model):
    """What an account has now: the ledger's last line, and the row that postings lock.

    Negative credits are debt. While there is debt no grant has anything left, and the next one
    pays it first; so ``credits = sum(remaining of grants) - sum(debts)``.
    """

    account = models.OneToOneField(
        Account, on_delete=models.PROTECT, primary_key=True, related_name="balance"
    )
    credits = models.BigIntegerField(default=0)
    last_seq = models.BigIntegerField(default=0)
    watched_seq = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Up to which entry the account was watched for warnings.",
    )
    # What the index asks, so that most postings leave it alone; as with `CreditGrant.is_open`.
    is_unwatched = models.GeneratedField(
        expression=Q(last_seq__gt=F("watched_seq")),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["account"], name="balance_unwatched", condition=Q(is_unwatched=True)
            ),
        ]

    def __str__(self) -> str:
        return in_credits(self.credits)

    @property
    def debt(self) -> int:
        """Credits owed."""
        return max(0, -self.credits)


class DailyUsage(models.Model):
    """The entries of one account-local day, summed by what the log can be filtered by.

    ``calls`` are negative where calls were withdrawn: over all kinds, those that count are left.
    ``credits_used`` is what usage kinds took (a correction may give some back), ``credits_added``
    what the other kinds brought (an expiry takes); so over any set of days
    ``change of balance = credits_added - credits_used``.
    """

    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="daily_usage",
        db_constraint=False,
        db_index=False,
    )
    day = models.DateField(help_text="In the account's time zone.")
    kind = models.CharField(max_length=12, choices=Kind)
    usage_type = models.CharField(max_length=11, blank=True, choices=USAGE_TYPES)
    agent = models.CharField(max_length=AGENT_LENGTH_MAX, blank=True)
    entries = models.BigIntegerField(default=0)
    calls = models.BigIntegerField(default=0)
    credits_used = models.BigIntegerField(default=0)
    credits_added = models.BigIntegerField(default=0)
    billed_seconds = models.BigIntegerField(default=0)
    entries_by_hour = ArrayField(
        models.IntegerField(),
        size=24,
        help_text="Entries of each hour on the wall clock of the day: where in it a row is.",
    )

    class Meta:
        verbose_name_plural = "daily usage"
        ordering = ["-day"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "day", "kind", "usage_type", "agent"], name="daily_usage_once"
            ),
            models.CheckConstraint(
                condition=Q(entries__gte=1, calls__lte=F("entries"), entries_by_hour__len=24)
                & (
                    Q(calls__gte=0) | Q(kind=Kind.WITHDRAWAL, calls__lt=0, calls__gte=-F("entries"))
                ),
                name="daily_usage_counts",
            ),
        ]
        # Sums the days of all accounts. A day never changes, so postings to a row leave it alone.
        indexes = [models.Index(fields=["day"], name="daily_usage_by_day")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.day:%-d %b %Y}"
