"""The mail that says that a source of calls is silent."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from calls.inbox.sources import platform_of
from calls.models import CallSource


def send_silence(source: CallSource, addresses: Sequence[str], heard_at: datetime) -> None:
    """Mail to each of ``addresses``. Raises what the mail server raises."""
    account = source.account
    path = reverse("dashboard:source", args=[account.slug, source.public_id])
    context = {
        "source": source,
        "account": account,
        "platform": platform_of(source),
        "heard_at": heard_at.astimezone(account.zone),
        "hours": settings.SOURCE_SILENCE_HOURS,
        "url": settings.SITE_URL + path,
    }
    subject = render_to_string("mail/silent_source_subject.txt", context)
    body = render_to_string("mail/silent_source.txt", context)
    for address in addresses:
        EmailMessage(subject=" ".join(subject.split()), body=body, to=[address]).send()
