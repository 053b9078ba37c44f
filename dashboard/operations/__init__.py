"""The operators' pages, a module or folder a concept. Thin shells: a write is one domain call."""

from dashboard.operations import (
    accounts,
    calls,
    imports,
    ledger,
    notices,
    people,
    plans,
    sources,
    top_ups,
)

__all__ = [
    "accounts",
    "calls",
    "imports",
    "ledger",
    "notices",
    "people",
    "plans",
    "sources",
    "top_ups",
]
