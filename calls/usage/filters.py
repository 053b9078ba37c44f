"""What a page is narrowed to, beside its period. All filters hold together."""

from dataclasses import dataclass

from django.db.models import QuerySet

from billing.models import Account, DailyUsage, LedgerEntry


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """Usage type, kind of row, agent, and the beginning of a call ID; empty means all."""

    usage_type: str = ""
    kind: str = ""
    agent: str = ""
    call_id: str = ""

    def __bool__(self) -> bool:
        return any((self.usage_type, self.kind, self.agent, self.call_id))

    @property
    def columns(self) -> dict[str, str]:
        """The filters that daily counts know too, as lookups: all but the call ID."""
        lookups = {"usage_type": self.usage_type, "kind": self.kind, "agent": self.agent}
        return {column: value for column, value in lookups.items() if value}

    def entries(self, account: Account) -> QuerySet[LedgerEntry]:
        """The account's entries that pass, the call ID left aside."""
        return LedgerEntry.objects.filter(account=account, **self.columns)

    def daily_usage(self, account: Account) -> QuerySet[DailyUsage]:
        """The account's daily counts that pass, the call ID left aside."""
        return DailyUsage.objects.filter(account=account, **self.columns)
