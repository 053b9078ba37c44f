"""The operators' pages, a module or folder a concept. Thin shells: a write is one domain call."""

from dashboard.operations import (
    accounts,
    activity,
    calls,
    exports,
    imports,
    ledger,
    notices,
    people,
    plan_requests,
    plans,
    sources,
    top_ups,
)

__all__ = [
    "accounts",
    "activity",
    "calls",
    "exports",
    "imports",
    "ledger",
    "notices",
    "people",
    "plan_requests",
    "plans",
    "sources",
    "top_ups",
]
