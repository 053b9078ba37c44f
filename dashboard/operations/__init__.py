"""The operators' pages, one module a concept. Thin shells: each write is one domain call."""

from dashboard.operations import accounts, calls, ledger, people, plans, top_ups

__all__ = ["accounts", "calls", "ledger", "people", "plans", "top_ups"]
