"""The test mail: what an operator is told of whatever can go wrong on the way."""

import smtplib
import socket
import ssl
from typing import Any

import pytest

from dashboard.mail.testing import SAID_LENGTH_MAX, why_not


@pytest.fixture(autouse=True)
def _server(settings: Any) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "mail.example.com", 587
    settings.EMAIL_HOST_PASSWORD = "the-password-of-it"
    settings.DEFAULT_FROM_EMAIL = "billing@example.com"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "is not known. Check the host"),
        (ConnectionRefusedError(111, "refused"), "Nothing answers at mail.example.com:587."),
        (TimeoutError("timed out"), "did not answer within 10 s. Check the host and the port"),
        (ssl.SSLError(1, "wrong version number"), "did not agree on TLS: “wrong version number”."),
        (
            ssl.SSLCertVerificationError(1, "certificate verify failed"),
            "Port 587 usually needs smtp+tls:// in EMAIL_URL, port 465 smtp+ssl://.",
        ),
        (
            smtplib.SMTPAuthenticationError(535, b"5.7.8 Bad credentials"),
            "refused the sign-in: “535 5.7.8 Bad credentials”. Check user and password",
        ),
        (
            smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server."),
            "does not offer what EMAIL_URL asks for: “STARTTLS extension not supported by server”.",
        ),
        (
            smtplib.SMTPSenderRefused(553, b"Sender rejected", "billing@example.com"),
            "does not let this site send as billing@example.com: “553 Sender rejected”.",
        ),
        (
            smtplib.SMTPRecipientsRefused({"ada@example.com": (550, b"No such user")}),
            "does not take mails for your address: “550 No such user”.",
        ),
        (smtplib.SMTPServerDisconnected("Connection unexpectedly closed"), "ended the connection."),
        (smtplib.SMTPDataError(452, b"Disk full"), "answered: “452 Disk full”. Try again later"),
        (OSError(101, "Network is unreachable"), "can’t be reached: “[Errno 101] Network is"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, OSError) else "",
)
def test_each_failure_says_what_to_check(error: OSError, words: str) -> None:
    said = why_not(error)
    assert words in said
    assert "mail.example.com:587" in said
    assert "the-password-of-it" not in said


def test_what_the_other_side_says_is_one_short_line_without_what_can_not_be_shown() -> None:
    said = why_not(smtplib.SMTPDataError(500, b"No\r\nway\x00\xff " + b"x" * 1_000))
    assert "“500 No way" in said
    assert "\n" not in said
    assert "\x00" not in said
    assert len(said) < SAID_LENGTH_MAX + 150
