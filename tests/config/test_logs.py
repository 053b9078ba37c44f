"""What the log says of requests that anybody can send thousands of."""

import logging

import psycopg2
import pytest
from django.core.exceptions import TooManyFieldsSent
from django.db import OperationalError

from config.logs import InOneLine, Line


class ServerError(psycopg2.OperationalError):
    pgcode = "57014"


def line(name: str, error: Exception) -> str:
    """What the log prints of a request that ``error`` ended."""
    record = logging.LogRecord(name, logging.ERROR, "", 0, "%s: /a/", ("Said",), None)
    try:
        raise error
    except Exception as raised:
        record.exc_info = (type(raised), raised, raised.__traceback__)
    InOneLine().filter(record)
    return logging.Formatter("%(message)s").format(record)


def away(cause: Exception) -> OperationalError:
    error = OperationalError("the server\ndid not answer")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("django.security.TooManyFieldsSent", TooManyFieldsSent("x"), "Said: /a/"),
        (
            "django.request",
            away(psycopg2.OperationalError("gone")),
            "Said: /a/ the server did not answer",
        ),
    ],
    ids=["refused", "away"],
)
def test_a_refused_request_and_an_outage_are_one_line(
    name: str, error: Exception, expected: str
) -> None:
    assert line(name, error) == expected


@pytest.mark.parametrize(
    "error", [away(ServerError()), ValueError("a fault of ours")], ids=["slow", "fault"]
)
def test_a_fault_of_our_own_keeps_its_traceback(error: Exception) -> None:
    assert "Traceback" in line("django.request", error)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028"])
def test_what_a_provider_says_begins_no_line_of_its_own(end: str) -> None:
    said = f"no{end}2026-11-30 INFO security signed in\x1b[2K"
    record = logging.LogRecord("billing", logging.INFO, "", 0, "Refused: %s", (said,), None)
    printed = Line("%(levelname)s %(message)s").format(record)
    assert printed == "INFO Refused: no\\n2026-11-30 INFO security signed in\ufffd[2K"


def test_a_traceback_still_has_its_lines() -> None:
    try:
        raise ValueError("a fault of ours")
    except ValueError as error:
        raised = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("billing", logging.ERROR, "", 0, "Failed", (), raised)
    assert Line("%(message)s").format(record).splitlines()[1].startswith("Traceback")
