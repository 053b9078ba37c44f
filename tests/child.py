"""Processes that a test starts: they work on the test's own database."""

import os

from django.db import connection


def child_environment(**own: str) -> dict[str, str]:
    """The environment of a child process: this one's, the test's database, and ``own`` on top."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
        **own,
    }
