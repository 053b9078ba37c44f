"""The whole audit: the list of invariants is that of the command `audit_ledger`."""

from collections.abc import Iterable

from billing.ledger.audit import INVARIANTS as LEDGER
from billing.ledger.audit import Invariant
from calls.management.commands.audit_ledger import INVARIANTS as WHOLE

__all__ = ["LEDGER", "WHOLE", "breaches"]


def breaches(invariants: Iterable[Invariant] = WHOLE) -> list[str]:
    """Everything that the audit finds, as text."""
    return [str(breach) for invariant in invariants for breach in invariant()]
