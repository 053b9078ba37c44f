"""The operators' pages, one module a concept. Thin shells: each write is one domain call."""

from billing.admin import accounts, ledger, people, plans, top_ups

__all__ = ["accounts", "ledger", "people", "plans", "top_ups"]
