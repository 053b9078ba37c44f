"""What is read of an entry of the ledger to show it."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import QuerySet

from billing.models import LedgerEntry


class Entry(NamedTuple):
    """A `LedgerEntry` without the cost of the model: exports read millions.

    The fields are the model's; ``changes`` are by name what a correction changed, the value before
    and after (`calls.changes`).
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
    changes: dict[str, list[Any]] | None
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
        return [cls._make(row) for row in entries.values_list(*cls._fields)]

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Entry":
        """Return an entry that has been read already."""
        return cls._make(getattr(entry, name) for name in cls._fields)
