"""Top-ups for operators: what is on offer, what became of each, and what is done about one."""

from dashboard.operations.top_ups import pricing, records

__all__ = ["pricing", "records"]
