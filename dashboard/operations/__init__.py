"""The operators' pages, a module or folder a concept. Thin shells: a write is one domain call."""

from dashboard.operations import (
    accounts,
    calls,
    exports,
    imports,
    ledger,
    notices,
    people,
    plans,
    top_ups,
)

__all__ = [
    "accounts",
    "calls",
    "exports",
    "imports",
    "ledger",
    "notices",
    "people",
    "plans",
    "top_ups",
]
