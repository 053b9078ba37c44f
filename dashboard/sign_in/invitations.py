"""Links by which people choose their own password: nobody else ever knows it."""

import logging
from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import EmailAwarePasswordResetTokenGenerator, default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from billing.accounts.team import INVITATION_LIVES, is_invited
from billing.models import Membership, User

SMTP = "django.core.mail.backends.smtp.EmailBackend"

logger = logging.getLogger(__name__)


class InvitationTokens(EmailAwarePasswordResetTokenGenerator):
    """Tokens that last for `INVITATION_LIVES`, and are otherwise those of any other link.

    What a token says of its age is signed with it: these say that they are from a later day, so
    whatever checks tokens lets them in for that much longer.
    """

    def _now(self) -> datetime:
        longer = INVITATION_LIVES - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
        return super()._now() + longer  # type: ignore[no-any-return]


invitation_tokens = InvitationTokens()


def password_link(user: User, *, tokens: Any = default_token_generator) -> str:
    """Return the address at which ``user`` chooses a password: once, within a day.

    Those of other ``tokens`` last for as long as these do.
    """
    key = f"{user_pk_to_url_str(user)}-{tokens.make_token(user)}"
    return str(get_adapter().get_reset_password_from_key_url(key))


def invitation_link(user: User) -> str:
    """Return the same for who is invited to an account: it works for `INVITATION_LIVES`."""
    return password_link(user, tokens=invitation_tokens)


def send_password_link(user: User) -> bool:
    """Mail ``user`` the link; return whether the mail went out."""
    context = {"user": user, "password_reset_url": password_link(user)}
    return _send("account/email/invitation", user, context)


def send_welcome(*, member: Membership, by: User) -> bool:
    """Tell ``member`` that ``by`` has brought them into an account; return whether it was sent.

    Who has no password yet gets a link to choose one, which works for `INVITATION_LIVES`.
    """
    person = member.user
    context = {
        "user": person,
        "account": member.account,
        "role": member.get_role_display(),
        "by": by.email,
        "account_url": settings.SITE_URL + reverse("dashboard:home", args=[member.account.slug]),
    }
    if not is_invited(person):
        return _send("account/email/added_to_team", person, context)
    context |= {
        "password_reset_url": invitation_link(person),
        "days": INVITATION_LIVES.days,
    }
    return _send("account/email/invited_to_team", person, context)


def _send(template: str, person: User, context: dict[str, Any]) -> bool:
    try:
        get_adapter().send_mail(template, person.email, context)
    except OSError:
        logger.exception("A mail that brings somebody in could not be sent")
        return False
    return True


def mails_go_out() -> bool:
    """Whether mails leave this machine at all."""
    return bool(settings.EMAIL_BACKEND == SMTP)
