"""Where Django's admin looks for the operators' pages: they are in `dashboard.operations`."""

from dashboard import operations  # noqa: F401
