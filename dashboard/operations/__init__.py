"""The operators' pages, a module or folder a concept. Thin shells: a write is one domain call."""

from dashboard.operations import (
    accounts,
    activity,
    calls,
    imports,
    ledger,
    notices,
    people,
    plans,
    top_ups,
)

__all__ = [
    "accounts",
    "activity",
    "calls",
    "imports",
    "ledger",
    "notices",
    "people",
    "plans",
    "top_ups",
]
