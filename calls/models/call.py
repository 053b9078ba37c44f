"""Call records: what is known of each call, and the charge frozen with it.

Only `calls.charging` and `calls.withdrawing` write them.
"""

from django.db import models
from django.db.models import F, Q

from billing.models import Account
from billing.models.ledger import (
    AGENT_LENGTH_MAX,
    CALL_ID_LENGTH_MAX,
    REMARKS_LENGTH_MAX,
    USAGE_TYPES,
)
from billing.plans.rating import UsageType

CARRIER_ID_LENGTH_MAX = 200
REPORTER_LENGTH_MAX = 60
NUMBER_LENGTH_MAX = 100  # telephone numbers, SIP addresses, names of web clients


class Status(models.TextChoices):
    """How a call ended. Only a completed one was connected, and only it costs anything."""

    COMPLETED = "completed", "Completed"
    NO_ANSWER = "no_answer", "No answer"
    BUSY = "busy", "Busy"
    FAILED = "failed", "Failed"
    BLOCKED = "blocked", "Blocked"


UNCONNECTED = [status.value for status in Status if status is not Status.COMPLETED]


class Call(models.Model):
    """One call as its latest record tells it, with the charge that the ledger holds for it.

    The charge carries what it was computed from (plan, increment, credits per increment, billable
    seconds, increments), so that no later change of a plan can change it.

    A call that is withdrawn keeps its facts and costs nothing, until its ID comes again.
    """

    # Not checked by the database, for the reason given at LedgerEntry.account.
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="calls",
        db_constraint=False,
        db_index=False,
    )
    call_id = models.CharField("call ID", max_length=CALL_ID_LENGTH_MAX, db_collation="C")
    usage_type = models.CharField(max_length=11, choices=USAGE_TYPES)
    agent = models.CharField(max_length=AGENT_LENGTH_MAX, blank=True)
    from_number = models.CharField("from", max_length=NUMBER_LENGTH_MAX, blank=True)
    to_number = models.CharField("to", max_length=NUMBER_LENGTH_MAX, blank=True)
    started_at = models.DateTimeField()
    connected_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=Status)
    remarks = models.CharField(max_length=REMARKS_LENGTH_MAX, blank=True)
    revised_at = models.DateTimeField(
        null=True, blank=True, help_text="When its source last changed the record, if it says so."
    )
    # What follows has the database's default, so that recording most calls does not write it.
    carrier_id = models.CharField(
        "carrier's ID",
        max_length=CARRIER_ID_LENGTH_MAX,
        blank=True,
        default="",
        db_default="",
        db_collation="C",
    )
    reporter = models.CharField(
        max_length=REPORTER_LENGTH_MAX,
        blank=True,
        default="",
        db_default="",
        help_text="Who told these facts: calls.reporters.",
    )
    has_reports = models.BooleanField(
        default=False,
        db_default=False,
        help_text="There are rows of CallReport that are linked to it.",
    )

    numbers_deleted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Its numbers were deleted because of their age: calls.numbers.",
    )

    plan_name = models.CharField("plan", max_length=80)
    increment_seconds = models.PositiveIntegerField()
    credits_per_increment = models.PositiveIntegerField()
    billable_seconds = models.DecimalField(max_digits=16, decimal_places=6)
    billed_seconds = models.BigIntegerField()
    increments = models.BigIntegerField()
    credits = models.BigIntegerField()
    is_history = models.BooleanField(
        default=False,
        help_text="Started before the account's first subscription: what it would have cost is "
        "told, and it costs nothing.",
    )

    recorded_at = models.DateTimeField(help_text="When its first record arrived.")
    corrections = models.PositiveIntegerField(
        default=0, help_text="How often a later record changed it."
    )
    import_id = models.BigIntegerField(
        "import",
        null=True,
        blank=True,
        help_text="Number of the import of a file that last changed it, if one did.",
    )
    withdrawn_at = models.DateTimeField("withdrawn", null=True, blank=True)
    # The database's default, so that recording a call does not write it.
    times_withdrawn = models.PositiveIntegerField(default=0, db_default=0)
    retold_at = models.DateTimeField(
        "told anew",
        null=True,
        blank=True,
        help_text="When its carrier's ID or its revision changed last while its facts stayed the "
        "same: no entry says so.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "call_id"], name="call_once"),
            models.CheckConstraint(
                condition=Q(usage_type__in=[usage.value for usage in UsageType]),
                name="call_usage_type_known",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.COMPLETED, connected_at__isnull=False)
                & Q(ended_at__gte=F("connected_at"), connected_at__gte=F("started_at"))
                | Q(status__in=UNCONNECTED, connected_at__isnull=True),
                name="call_completed_means_connected",
            ),
            models.CheckConstraint(
                condition=Q(
                    billed_seconds=F("increments") * F("increment_seconds"),
                    increments__gte=0,
                    billable_seconds__gte=0,
                    billable_seconds__lte=F("billed_seconds"),
                )
                & (
                    Q(is_history=True, credits=0)
                    | Q(withdrawn_at__isnull=False, credits=0)
                    | Q(
                        is_history=False,
                        withdrawn_at__isnull=True,
                        credits=F("increments") * F("credits_per_increment"),
                    )
                ),
                name="call_charge_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | Q(times_withdrawn__gte=1),
                name="call_withdrawals_are_counted",
            ),
        ]
        indexes = [
            # The calls of an import, and whether it has any left that are not withdrawn.
            models.Index(
                fields=["account", "import_id", "withdrawn_at"],
                name="call_import",
                condition=Q(import_id__isnull=False),
            ),
            models.Index(
                fields=["account", "carrier_id"],
                name="call_carrier",
                condition=~Q(carrier_id=""),
            ),
            models.Index(
                fields=["account", "retold_at", "id"],
                name="call_retold",
                condition=Q(retold_at__isnull=False),
            ),
            models.Index(
                fields=["id"], name="call_withdrawn", condition=Q(withdrawn_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.call_id
