"""Sending notices by e-mail: `billing.notices.due` says which, `dashboard.mail.mails` writes it."""

from collections.abc import Sequence
from datetime import datetime

from billing.models import Notice
from billing.notices.due import deliver_due
from dashboard.mail.mails import mail_of


def send(*, notice_id: int, now: datetime) -> bool:
    """Send the mail that a notice is part of, where it is due; return whether it was sent now.

    Raises what the mail server raises; the mail is then sent later.
    """

    def deliver(notices: Sequence[Notice]) -> None:
        mail_of(notices=notices, now=now).send()

    return deliver_due(notice_id=notice_id, deliver=deliver, now=now)
