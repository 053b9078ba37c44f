"""The mail that says that an account was closed, to its Superadmins."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from billing.ledger.balances import balance_of, grants_left
from billing.models import Account
from billing.notices import closings
from billing.zones import local


def send(*, account_id: int, now: datetime) -> bool:
    """Send the mail about a closed account, where it is owed; return whether it was sent now.

    Raises what the mail server raises; the mail is then sent later.
    """

    def deliver(account: Account, addresses: Sequence[str]) -> None:
        mail_of(account, addresses, now=now).send()

    return closings.tell(account_id=account_id, deliver=deliver, now=now)


def mail_of(account: Account, addresses: Sequence[str], *, now: datetime) -> EmailMessage:
    """The one mail that says what closing ``account`` means, to all ``addresses``."""
    assert account.closed_at is not None
    left = [
        {
            "credits": grant.remaining,
            "source": grant.get_source_display(),
            "until": local(grant.expires_at, account.zone) if grant.expires_at else "",
        }
        for grant in grants_left(account=account, now=now)
    ]
    context = {
        "account": account,
        "closed": local(account.closed_at, account.zone),
        "balance": balance_of(account).credits,
        "left": left,
        "contact": settings.CONTACT_ADDRESS,
        "url": settings.SITE_URL + reverse("dashboard:usage", args=[account.slug]),
    }
    subject = render_to_string("mail/account_closed_subject.txt", context)
    body = render_to_string("mail/account_closed.txt", context)
    return EmailMessage(subject=" ".join(subject.split()), body=body, to=list(addresses))
