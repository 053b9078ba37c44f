"""What is read of an entry of the ledger to show it."""

import json
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from billing.models import LedgerEntry


class Entry(NamedTuple):
    """A `LedgerEntry` without the cost of the model: exports read millions.

    The fields are the model's, but ``changes`` are still JSON: few rows have any, and reading a
    JSON column costs all of them.
    """

    id: int
    account_id: int
    seq: int
    occurred_at: datetime
    posted_at: datetime
    kind: str
    call_id: str
    usage_type: str
    agent: str
    billed_seconds: int
    billable_us: int
    increment_seconds: int
    call_status: str
    changes: str | None
    credits: int
    balance_after: int
    reference: str
    plan_name: str
    top_up_id: int | None
    paid_by: int | None
    remarks: str

    @classmethod
    def read(cls, entries: QuerySet[LedgerEntry]) -> list["Entry"]:
        """Read ``entries`` in their order, one query."""
        columns = (
            Cast("changes", TextField()) if name == "changes" else name for name in cls._fields
        )
        return list(map(cls._make, entries.values_list(*columns)))

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Entry":
        """Return an entry that has been read already."""
        changes = None if entry.changes is None else json.dumps(entry.changes)
        values = {name: getattr(entry, name) for name in cls._fields}
        return cls(**{**values, "changes": changes})
