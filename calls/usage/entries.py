"""What is read of an entry of the ledger to show it."""

import json
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.db.models import Case, Exists, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Substr

from billing.bulk import as_array
from billing.ledger import references
from billing.models import Kind, LedgerEntry
from billing.plans.rating import UsageType
from billing.prepared import Parameter, Prepared
from calls.models import Call


class Entry(NamedTuple):
    """A `LedgerEntry` without the cost of the model: exports read millions.

    The fields are the model's, but ``changes`` are still JSON: few rows have any, and reading a
    JSON column costs all of them. ``is_withdrawn``: another entry undoes it. ``other_number`` is
    that of the other party of its call, as the call is known now.
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
    other_number: str | None

    @classmethod
    def read(
        cls,
        entries: QuerySet[LedgerEntry],
        *,
        last_seq: int | None = None,
        may_be_withdrawn: bool = True,
    ) -> list["Entry"]:
        """Read ``entries`` in their order, one query.

        ``last_seq``: as they were when that was the account's latest entry; None: as they are now.

        ``may_be_withdrawn`` is False where their account is known to have no withdrawals: asking
        row by row doubles what a page of them costs.
        """
        return list(map(cls._make, cls._values_of(entries, last_seq, may_be_withdrawn)))

    @classmethod
    def read_newest_first(
        cls, ids: Iterable[int], *, last_seq: int | None = None, may_be_withdrawn: bool = True
    ) -> list["Entry"]:
        """Read the entries with these ``ids`` in the order of the log, as `read` does."""
        rows = _newest_first(has_state=last_seq is not None, may_be_withdrawn=may_be_withdrawn)
        return list(map(cls._make, rows(ids=as_array(ids), last_seq=last_seq)))

    @classmethod
    def _values_of(
        cls,
        entries: QuerySet[LedgerEntry],
        last_seq: int | Parameter | None,
        may_be_withdrawn: bool,
    ) -> QuerySet[LedgerEntry, tuple[Any, ...]]:
        computed = {
            "changes": Cast("changes", TextField()),
            "is_withdrawn": is_withdrawn(last_seq=last_seq) if may_be_withdrawn else Value(False),
            "other_number": other_number(),
        }
        return entries.values_list(*(computed.get(name, name) for name in cls._fields))

    @classmethod
    def of(cls, entry: LedgerEntry) -> "Entry":
        """Return an entry that has been read already, annotated with what is computed."""
        changes = None if entry.changes is None else json.dumps(entry.changes)
        values = {name: getattr(entry, name) for name in cls._fields}
        return cls(**{**values, "changes": changes})


@cache
def _newest_first(*, has_state: bool, may_be_withdrawn: bool) -> Prepared[tuple[Any, ...]]:
    wanted = RawSQL("SELECT unnest(%s::bigint[])", [Parameter("ids")])
    return Prepared(
        lambda: Entry._values_of(
            LedgerEntry.objects.filter(id__in=wanted).order_by("-occurred_at", "-id"),
            Parameter("last_seq") if has_state else None,
            may_be_withdrawn,
        ),
        plan_is_kept=True,
    )


def other_number() -> Subquery:
    """The number that was called, or of a call received the one it came from, for queries of
    entries."""
    of_entry = Call.objects.filter(account=OuterRef("account_id"), call_id=OuterRef("call_id"))
    received = When(usage_type=UsageType.INBOUND, then="from_number")
    return Subquery(of_entry.order_by().values(number=Case(received, default="to_number"))[:1])


def is_withdrawn(*, last_seq: int | Parameter | None = None) -> Exists:
    """Whether another entry, up to ``last_seq`` where it is given, undoes one; for queries.

    A withdrawal happened when what it undoes did. By that it is found in the index of the few rows
    that are no calls; by its reference, in one that is large and in another order.
    """
    undoing = LedgerEntry.objects.filter(
        account=OuterRef("account_id"), kind=Kind.WITHDRAWAL, occurred_at=OuterRef("occurred_at")
    )
    if last_seq is not None:
        undoing = undoing.filter(seq__lte=last_seq)
    undone = Substr("reference", len(references.WITHDRAWAL) + 1)
    return Exists(undoing.alias(undone=undone).filter(undone=OuterRef("reference")))
