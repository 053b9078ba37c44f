"""What the tests of the activity log share."""

from tests.dashboard.operations.conftest import base, customer

__all__ = ["base", "customer"]
