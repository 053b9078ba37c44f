"""The rows of the log: what is read of an entry, and how a line shows it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from billing.models import Account, Kind, LedgerEntry
from billing.models.ledger import USAGE_TYPES

KIND_LABELS = {kind.value: kind.label for kind in Kind}
TYPE_LABELS = dict(USAGE_TYPES)


class Entry(NamedTuple):
    """What the log needs of a `LedgerEntry`, without the cost of the model: exports read millions.

    ``Entry.read(queryset)`` reads them.
    """

    id: int
    seq: int
    occurred_at: datetime
    posted_at: datetime
    kind: str
    call_id: str
    usage_type: str
    agent: str
    billed_seconds: int
    credits: int
    balance_after: int
    remarks: str

    @classmethod
    def read(cls, entries: QuerySet[LedgerEntry]) -> list["Entry"]:
        """Read ``entries`` in their order, one query."""
        return [cls._make(row) for row in entries.values_list(*cls._fields)]


@dataclass(frozen=True, slots=True)
class LogRow:
    """One line of the log of the account named ``slug``, times in the account's zone.

    Credits are signed: a correction downwards is a negative use, an expiry a negative addition.
    """

    slug: str
    seq: int
    occurred_at: datetime
    posted_at: datetime
    kind: str
    kind_label: str
    call_id: str
    usage_type: str
    usage_type_label: str
    agent: str
    billed_seconds: int
    credits_used: int
    credits_added: int
    balance_after: int
    remarks: str

    @property
    def is_call(self) -> bool:
        """Whether the line is a call itself: neither a correction of one nor other credits."""
        return self.kind == Kind.CALL


def read_newest_first(*, account: Account, entries: QuerySet[LedgerEntry]) -> list[LogRow]:
    """Read ``entries`` of ``account`` in the order of the log, one query."""
    return log_rows(account=account, entries=Entry.read(entries.order_by("-occurred_at", "-id")))


def log_rows(*, account: Account, entries: Iterable[Entry]) -> list[LogRow]:
    """``entries`` of ``account`` as lines of the log, times in its zone."""
    zone = account.zone
    return [log_row(account=account, entry=entry, zone=zone) for entry in entries]


def log_row(*, account: Account, entry: Entry, zone: ZoneInfo) -> LogRow:
    """One entry as a line of the log, times in ``zone``."""
    is_usage = Kind(entry.kind).is_usage
    return LogRow(
        slug=account.slug,
        seq=entry.seq,
        occurred_at=entry.occurred_at.astimezone(zone),
        posted_at=entry.posted_at.astimezone(zone),
        kind=entry.kind,
        kind_label=KIND_LABELS[entry.kind],
        call_id=entry.call_id,
        usage_type=entry.usage_type,
        usage_type_label=TYPE_LABELS.get(entry.usage_type, ""),
        agent=entry.agent,
        billed_seconds=entry.billed_seconds,
        credits_used=-entry.credits if is_usage else 0,
        credits_added=0 if is_usage else entry.credits,
        balance_after=entry.balance_after,
        remarks=entry.remarks,
    )
