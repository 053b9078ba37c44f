"""Changes of the order of an account's sources, and how far calls have followed them.

Only `calls.ordering` writes them.
"""

from django.db import models
from django.db.models import Q

from billing.models import Account
from billing.models.ledger import CALL_ID_LENGTH_MAX


class OrderChange(models.Model):
    """Another order of an account's sources: calls that several report follow it one by one.

    Those with IDs up to ``done_until`` have; ``corrected`` counts those that changed by it, and
    ``credits`` what they cost more.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()
    done_until = models.CharField(max_length=CALL_ID_LENGTH_MAX, blank=True, db_collation="C")
    corrected = models.PositiveIntegerField(default=0)
    credits = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"], name="order_change_under_way", condition=Q(finished_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"Order of {self.account_id} since {self.changed_at}"
