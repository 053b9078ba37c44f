"""The test mail: by it an operator learns whether mails go out, and if not, where to look."""

import smtplib
import socket
import ssl
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from billing.texts import storable
from dashboard.sign_in.invitations import mails_go_out

SAID_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a test mail: whether a mail server took it, and that in words."""

    is_taken: bool
    said: str


def send_test_mail(*, to: str) -> Tried:
    """Send a test mail to the address ``to``, as every other mail is sent, and say what came of it.

    It takes as long as the mail server does, at most a few times EMAIL_TIMEOUT seconds.
    """
    context = {"to": to, "sender": settings.DEFAULT_FROM_EMAIL, "site": settings.SITE_URL}
    message = EmailMessage(
        subject=" ".join(render_to_string("mail/test_subject.txt", context).split()),
        body=render_to_string("mail/test.txt", context),
        to=[to],
    )
    try:
        message.send()
    except OSError as error:  # smtplib's errors are among them
        return Tried(False, f"The test mail did not go out. {why_not(error)}")
    if not mails_go_out():
        return Tried(
            False,
            "The test mail was made, but no mail leaves this server: EMAIL_URL names no mail "
            "server. Set it to yours, such as smtp+tls://user:password@host:587, and start the "
            "site and its workers anew.",
        )
    return Tried(
        True,
        f"The mail server took a test mail to {to}. If it does not arrive within minutes, look "
        f"into the spam folder, and whether the server may send as {settings.DEFAULT_FROM_EMAIL}.",
    )


def why_not(error: OSError) -> str:
    """What went wrong between the site and its mail server, and what to check."""
    server = settings.EMAIL_HOST or "the mail server"
    if settings.EMAIL_PORT:
        server = f"{server}:{settings.EMAIL_PORT}"
    match error:
        case socket.gaierror():
            return f"The name in {server} is not known. Check the host in EMAIL_URL."
        case ConnectionRefusedError():
            return (
                f"Nothing answers at {server}. Check the host and the port in EMAIL_URL, and "
                "whether the mail server runs."
            )
        case TimeoutError():
            return (
                f"{server} did not answer within {settings.EMAIL_TIMEOUT} s. Check the host and "
                "the port in EMAIL_URL, and whether a firewall lets this server through."
            )
        case ssl.SSLError():
            return (
                f"{server} and this server did not agree on TLS: {_said(error)} Port 587 usually "
                "needs smtp+tls:// in EMAIL_URL, port 465 smtp+ssl://."
            )
        case smtplib.SMTPAuthenticationError():
            return (
                f"{server} refused the sign-in: {_said(error)} Check user and password in "
                "EMAIL_URL; special characters are written as % and two hexadecimal digits."
            )
        case smtplib.SMTPNotSupportedError():
            return (
                f"{server} does not offer what EMAIL_URL asks for: {_said(error)} Port 587 "
                "usually needs smtp+tls://, port 465 smtp+ssl://, port 25 smtp://."
            )
        case smtplib.SMTPSenderRefused():
            return (
                f"{server} does not let this site send as {settings.DEFAULT_FROM_EMAIL}: "
                f"{_said(error)} Set DEFAULT_FROM_EMAIL to an address that it knows."
            )
        case smtplib.SMTPRecipientsRefused():
            return f"{server} does not take mails for your address: {_said(error)}"
        case smtplib.SMTPServerDisconnected():
            return (
                f"{server} ended the connection. Port 587 usually needs smtp+tls:// in EMAIL_URL, "
                "port 465 smtp+ssl://."
            )
        case smtplib.SMTPException():
            return (
                f"{server} answered: {_said(error)} Try again later, or ask those who look after "
                "it."
            )
    return (
        f"{server} can’t be reached: {_said(error)} Check the host and the port in EMAIL_URL, and "
        "the network of this server."
    )


def _said(error: OSError) -> str:
    """What the other side said, on one line, without what can't be shown."""
    refused = getattr(error, "recipients", None)
    code, said = getattr(error, "smtp_code", None), getattr(error, "smtp_error", None)
    if refused:
        code, said = next(iter(refused.values()))
    if isinstance(said, bytes):
        said = said.decode("utf-8", "replace")
    text = f"{code} {said}" if code is not None and said is not None else str(error)
    line = storable(" ".join(text.split())).rstrip(".")
    return f"“{line[:SAID_LENGTH_MAX]}”."
