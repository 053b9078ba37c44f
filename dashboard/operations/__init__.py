"""The operators' pages, a module or folder a concept. Thin shells: a write is one domain call."""

from dashboard.operations import accounts, calls, ledger, notices, people, plans, top_ups

__all__ = ["accounts", "calls", "ledger", "notices", "people", "plans", "top_ups"]
