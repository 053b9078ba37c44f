"""The operators' pages, one module a concept. Thin shells: each write is one domain call."""

from billing.admin import ledger, plans

__all__ = ["ledger", "plans"]
