"""The rows of the log: how a line shows an entry."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.models import Account, Kind
from billing.models.ledger import USAGE_KINDS, USAGE_TYPES
from calls.usage import words
from calls.usage.entries import Entry

KIND_LABELS = {kind.value: kind.label for kind in Kind}
TYPE_LABELS = dict(USAGE_TYPES)


class LogRow(NamedTuple):
    """One line of the log of the account named ``slug``, times in the account's zone.

    Credits are signed: a correction downwards is a negative use, an expiry a negative addition.
    ``words`` say why they moved, and end with the remarks of the entry. (A named tuple, because a
    file has millions.)
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
    words: str

    @property
    def is_call(self) -> bool:
        """Whether the line is a call itself: neither a correction of one nor other credits."""
        return self.kind == Kind.CALL


def read_newest_first(
    *,
    account: Account,
    ids: Iterable[int],
    last_seq: int | None = None,
    may_be_withdrawn: bool = True,
) -> list[LogRow]:
    """Read the entries of ``account`` with these ``ids`` in the order of the log.

    ``last_seq`` and ``may_be_withdrawn`` are as in `Entry.read`. One query, two where there are
    expiries among them.
    """
    read = Entry.read_newest_first(ids, last_seq=last_seq, may_be_withdrawn=may_be_withdrawn)
    return log_rows(account=account, entries=read)


def log_rows(
    *, account: Account, entries: Sequence[Entry], zone: ZoneInfo | None = None
) -> list[LogRow]:
    """Return ``entries`` of ``account`` as lines of the log, times in ``zone``, by default its own.

    One query where there are expiries among them, none otherwise.
    """
    zone = zone or account.zone
    grants = words.expired_grants(entries)
    return [
        _log_row(entry, account.slug, zone, words.of_entry(entry, grants=grants, zone=zone))
        for entry in entries
    ]


def _log_row(entry: Entry, slug: str, zone: ZoneInfo, said: str) -> LogRow:
    is_usage = entry.kind in USAGE_KINDS
    return LogRow(
        slug=slug,
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
        words=said,
    )
