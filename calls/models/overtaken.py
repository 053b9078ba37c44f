"""Calls that an import changed and something else changed after it.

Only `calls.charging` and `calls.withdrawing` write them, holding the call's row.
"""

from django.db import models

from billing.models import Account
from billing.models.ledger import CALL_ID_LENGTH_MAX


class OvertakenCall(models.Model):
    """A call that taking back the import ``import_id`` leaves as it is.

    ``by_import_id``: the import that changed it, empty where a source did. Taking back that one
    removes the row. A call may have several rows: the latest is the one to remove first.
    """

    # Not checked by the database, for the reason given at LedgerEntry.account.
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    import_id = models.BigIntegerField("import")
    call_id = models.CharField("call ID", max_length=CALL_ID_LENGTH_MAX, db_collation="C")
    by_import_id = models.BigIntegerField("by the import", null=True, blank=True)
    overtaken_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["account", "import_id", "call_id"], name="overtaken_import"),
            models.Index(fields=["account", "call_id"], name="overtaken_call"),
        ]

    def __str__(self) -> str:
        return self.call_id
