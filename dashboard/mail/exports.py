"""The mail that says that a file is ready, or could not be made: to whoever asked for it."""

from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from billing.zones import local
from calls.exports import telling
from calls.models import Export
from dashboard.exports.page import pages_of


def send(*, export_id: int, now: datetime) -> bool:
    """Send the mail about an export, where it is owed; return whether it was sent now.

    Raises what the mail server raises; the mail is then sent later.
    """

    def deliver(export: Export) -> None:
        mail_of(export=export, now=now).send()

    return telling.tell(export_id=export_id, deliver=deliver, now=now)


def mail_of(*, export: Export, now: datetime) -> EmailMultiAlternatives:
    """The mail about ``export``, which has ended and still has its person."""
    assert export.asked_by is not None
    (page,) = pages_of([export], account=export.account, now=now)
    context = {
        "page": page,
        "account": export.account,
        "url": settings.SITE_URL + page.url,
        "until": local(export.expires_at, export.account.zone) if export.expires_at else "",
    }
    subject = render_to_string("mail/export_subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string("mail/export.txt", context),
        to=[export.asked_by.email],
    )
    message.attach_alternative(render_to_string("mail/export.html", context), "text/html")
    return message
