"""Accounts for operators: the list, the page of one, and what is done to one."""

from dashboard.operations.accounts import pages

__all__ = ["pages"]
