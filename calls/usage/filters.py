"""What a page is narrowed to, beside its period. All filters hold together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import QuerySet

from billing.models import Account, DailyUsage, LedgerEntry
from billing.models.ledger import USAGE_KINDS
from billing.prepared import Parameter

# The filter for calls that name no agent. Names are stored without blanks around them, so no agent
# is called this.
NO_AGENT = " none"
NO_AGENT_WORDS = "No agent named"

Rows = TypeVar("Rows", QuerySet[LedgerEntry], QuerySet[DailyUsage])


def agent_in_words(agent: str) -> str:
    """Say what the filter ``agent`` leaves: "Agent: Asha"."""
    return NO_AGENT_WORDS if agent == NO_AGENT else f"Agent: {agent}"


@dataclass(frozen=True, slots=True)
class UsageFilters:
    """Usage type, kind of row, agent, and the beginning of a call ID; empty means all.

    The agent may be `NO_AGENT`: calls that name none, with their corrections and withdrawals.
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
        return self._with_parameters(self.columns)

    @property
    def entry_shape(self) -> "UsageFilters":
        """The same of `entry_values`, for queries of entries."""
        return self._with_parameters(self.entry_values)

    @property
    def columns(self) -> dict[str, str]:
        """The filters that daily counts know too, as lookups: not the call ID and the import, nor
        `NO_AGENT`, which is more than a lookup."""
        agent = "" if self.agent == NO_AGENT else self.agent
        lookups = {"usage_type": self.usage_type, "kind": self.kind, "agent": agent}
        return {column: value for column, value in lookups.items() if value}

    @property
    def entry_columns(self) -> dict[str, Any]:
        """The filters of entries as lookups: all but the call ID and `NO_AGENT`."""
        own = {} if self.import_id is None else {"import_id": self.import_id}
        return {**self.columns, **own}

    @property
    def entry_values(self) -> dict[str, Any]:
        """What `entries` asks for, by name: the columns, and the state."""
        state = {} if self.until_seq is None else {"until_seq": self.until_seq}
        return {**self.entry_columns, **state}

    def entries(self, account: Account | Parameter) -> QuerySet[LedgerEntry]:
        """The account's entries that pass, the call ID left aside."""
        entries = self._entries(account)
        return entries if self.until_seq is None else entries.filter(seq__lte=self.until_seq)

    def newer_entries(self, account: Account) -> QuerySet[LedgerEntry]:
        """The account's entries that would pass, but were booked after the state that is shown."""
        entries = self._entries(account)
        return entries.none() if self.until_seq is None else entries.filter(seq__gt=self.until_seq)

    def daily_usage(self, account: Account | Parameter) -> QuerySet[DailyUsage]:
        """The account's daily counts that pass, the call ID and the import left aside."""
        return self._of_agent(DailyUsage.objects.filter(account=account, **self.columns))

    def takes_agent(self, agent: str) -> bool:
        """Whether calls of ``agent`` (empty: of none) pass."""
        return self.agent in ("", agent or NO_AGENT)

    def _with_parameters(self, names: Iterable[str]) -> "UsageFilters":
        parameters: dict[str, Any] = {name: Parameter(name) for name in names}
        if self.agent == NO_AGENT:
            parameters["agent"] = NO_AGENT
        return UsageFilters(**parameters)

    def _entries(self, account: Account | Parameter) -> QuerySet[LedgerEntry]:
        return self._of_agent(LedgerEntry.objects.filter(account=account, **self.entry_columns))

    def _of_agent(self, rows: Rows) -> Rows:
        """Where no agent is asked for, leave usage alone: other rows have none either."""
        return rows.filter(agent="", kind__in=USAGE_KINDS) if self.agent == NO_AGENT else rows
