"""What a page is narrowed to, beside its period. All filters hold together."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from billing.models import Account, DailyUsage, LedgerEntry
from billing.prepared import Parameter


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """Usage type, kind of row, agent, and the beginning of a call ID; empty means all.

    ``import_id``: the number of an import, whose rows are then shown: what it charged and
    corrected, and what of that was withdrawn. ``until_seq`` is no filter but the state of the
    account that is shown: what was booked after the entry of that number is left out.
    """

    usage_type: str = ""
    kind: str = ""
    agent: str = ""
    call_id: str = ""
    import_id: int | None = None
    until_seq: int | None = None

    def __bool__(self) -> bool:
        return self.import_id is not None or any(self.texts.values())

    @property
    def texts(self) -> dict[str, str]:
        """The filters that people type or choose, by name."""
        names = ("usage_type", "kind", "agent", "call_id")
        return {name: getattr(self, name) for name in names}

    @property
    def shape(self) -> "UsageFilters":
        """The `columns` that are asked for, with parameters for values: of so many kinds queries
        are prepared."""
        parameters: dict[str, Any] = {name: Parameter(name) for name in self.columns}
        return UsageFilters(**parameters)

    @property
    def columns(self) -> dict[str, str]:
        """The filters that daily counts know too, as lookups: not the call ID and the import."""
        lookups = {"usage_type": self.usage_type, "kind": self.kind, "agent": self.agent}
        return {column: value for column, value in lookups.items() if value}

    @property
    def entry_columns(self) -> dict[str, Any]:
        """All filters but the call ID, as lookups."""
        own = {} if self.import_id is None else {"import_id": self.import_id}
        return {**self.columns, **own}

    def entries(self, account: Account) -> QuerySet[LedgerEntry]:
        """The account's entries that pass, the call ID left aside."""
        entries = LedgerEntry.objects.filter(account=account, **self.entry_columns)
        return entries if self.until_seq is None else entries.filter(seq__lte=self.until_seq)

    def newer_entries(self, account: Account) -> QuerySet[LedgerEntry]:
        """The account's entries that would pass, but were booked after the state that is shown."""
        entries = LedgerEntry.objects.filter(account=account, **self.entry_columns)
        return entries.none() if self.until_seq is None else entries.filter(seq__gt=self.until_seq)

    def daily_usage(self, account: Account | Parameter) -> QuerySet[DailyUsage]:
        """The account's daily counts that pass, the call ID and the import left aside."""
        return DailyUsage.objects.filter(account=account, **self.columns)
