"""Links by which people choose their own password: nobody else ever knows it."""

import logging

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings

from billing.models import User

SMTP = "django.core.mail.backends.smtp.EmailBackend"

logger = logging.getLogger(__name__)


def password_link(user: User) -> str:
    """Return the address at which ``user`` chooses a password: once, within a day."""
    key = f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"
    return str(get_adapter().get_reset_password_from_key_url(key))


def send_password_link(user: User) -> bool:
    """Mail ``user`` the link; return whether the mail went out."""
    context = {"user": user, "password_reset_url": password_link(user)}
    try:
        get_adapter().send_mail("account/email/invitation", user.email, context)
    except OSError:
        logger.exception("The mail with a link to choose a password could not be sent")
        return False
    return True


def mails_go_out() -> bool:
    """Whether mails leave this machine at all."""
    return bool(settings.EMAIL_BACKEND == SMTP)
