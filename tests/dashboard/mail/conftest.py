"""Tests of notices live through the same faster time as those of the credits."""

from tests.billing.lifetime.conftest import clean_ledger, clock, tasks_run_here

__all__ = ["clean_ledger", "clock", "tasks_run_here"]
