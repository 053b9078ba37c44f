"""What each of several reporters tells of one call.

Only `calls.reports` writes them, for `calls.charging` and `calls.withdrawing`.
"""

from django.db import models
from django.db.models import Q

from billing.models import Account
from billing.models.ledger import (
    AGENT_LENGTH_MAX,
    CALL_ID_LENGTH_MAX,
    REMARKS_LENGTH_MAX,
    USAGE_TYPES,
)
from calls.models.call import (
    CARRIER_ID_LENGTH_MAX,
    NUMBER_LENGTH_MAX,
    REPORTER_LENGTH_MAX,
    Status,
)


class CallReport(models.Model):
    """The latest record of one reporter about a call that several tell, or that goes by two IDs.

    A call that only one reporter tells has none: what it tells is the call. Where there are
    several, each has a row, also the one whose facts count: those of the call's ``reporter``.

    ``call_id`` is the ID that the reporter gives the call, ``linked_call_id`` that of the call
    which is shown, counted and charged.
    """

    # Not checked by the database, for the reason given at LedgerEntry.account.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    reporter = models.CharField(max_length=REPORTER_LENGTH_MAX, blank=True)
    call_id = models.CharField("call ID", max_length=CALL_ID_LENGTH_MAX, db_collation="C")
    linked_call_id = models.CharField(
        "is the call", max_length=CALL_ID_LENGTH_MAX, db_collation="C"
    )
    carrier_id = models.CharField(
        "carrier's ID", max_length=CARRIER_ID_LENGTH_MAX, blank=True, db_collation="C"
    )
    usage_type = models.CharField(max_length=11, choices=USAGE_TYPES)
    agent = models.CharField(max_length=AGENT_LENGTH_MAX, blank=True)
    from_number = models.CharField("from", max_length=NUMBER_LENGTH_MAX, blank=True)
    to_number = models.CharField("to", max_length=NUMBER_LENGTH_MAX, blank=True)
    started_at = models.DateTimeField()
    connected_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=Status)
    remarks = models.CharField(max_length=REMARKS_LENGTH_MAX, blank=True)
    revised_at = models.DateTimeField(null=True, blank=True)
    numbers_deleted = models.BooleanField(default=False, db_default=False)
    import_id = models.BigIntegerField("import", null=True, blank=True)
    reported_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "call_id", "reporter"], name="call_report_once"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "linked_call_id"], name="call_report_of_call"),
            models.Index(
                fields=["account", "carrier_id"],
                name="call_report_carrier",
                condition=~Q(carrier_id=""),
            ),
            models.Index(
                fields=["account", "import_id"],
                name="call_report_import",
                condition=Q(import_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.call_id
