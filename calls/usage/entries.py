"""What is read of an entry of the ledger to show it."""

import json
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast, Substr

from billing.ledger import references
from billing.models import Kind, LedgerEntry


class Entry(NamedTuple):
    """A `LedgerEntry` without the cost of the model: exports read millions.

    The fields are the model's, but ``changes`` are still JSON: few rows have any, and reading a
    JSON column costs all of them. ``is_withdrawn``: another entry undoes it.
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
    is_withdrawn: bool

    @classmethod
    def read(
        cls, entries: QuerySet[LedgerEntry], *, may_be_withdrawn: bool = True
    ) -> list["Entry"]:
        """Read ``entries`` in their order, one query.

        ``may_be_withdrawn`` is False where their account is known to have no withdrawals: asking
        row by row doubles what a page of them costs.
        """
        computed: dict[str, Cast | Exists] = {"changes": Cast("changes", TextField())}
        if may_be_withdrawn:
            computed["is_withdrawn"] = is_withdrawn()
            columns = (computed.get(name, name) for name in cls._fields)
            return list(map(cls._make, entries.values_list(*columns)))
        *names, _ = cls._fields
        read = entries.values_list(*(computed.get(name, name) for name in names))
        return [cls._make((*values, False)) for values in read]

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Entry":
        """Return an entry that has been read already, annotated with `is_withdrawn`."""
        changes = None if entry.changes is None else json.dumps(entry.changes)
        values = {name: getattr(entry, name) for name in cls._fields}
        return cls(**{**values, "changes": changes})


def is_withdrawn() -> Exists:
    """Whether another entry undoes one, for queries of entries.

    A withdrawal happened when what it undoes did. By that it is found in the index of the few rows
    that are no calls; by its reference, in one that is large and in another order.
    """
    undoing = LedgerEntry.objects.filter(
        account=OuterRef("account_id"), kind=Kind.WITHDRAWAL, occurred_at=OuterRef("occurred_at")
    )
    undone = Substr("reference", len(references.WITHDRAWAL) + 1)
    return Exists(undoing.alias(undone=undone).filter(undone=OuterRef("reference")))
