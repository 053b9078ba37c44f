"""Plans for operators, and the terms that a plan or one account has."""

from dashboard.operations.plans import pages, planned_terms

__all__ = ["pages", "planned_terms"]
