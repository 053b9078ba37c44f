"""allauth as this site uses it: who may sign in, how often, and what mails say.

People whom an operator added may. Nobody signs up by themselves.
"""

import logging
from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse

from billing import clock
from billing.accounts.attempts import (
    TooManyAttempts,
    begin_attempt,
    forgive_address,
    password_counters,
    succeed,
)
from billing.activity import ActivityKind, note_about_person
from billing.models import User
from dashboard.sign_in.acting import actor_of
from dashboard.sign_in.log import known, note

logger = logging.getLogger(__name__)

SECONDS_PER_HOUR = 3600


class ClosedSignUpAdapter(DefaultAccountAdapter):
    """allauth, with open sign-up closed, and mails whose links come from SITE_URL alone."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail that says nothing which the visitor's request said, such as a host name."""
        told = {
            **context,
            "email": email,
            "site_url": settings.SITE_URL,
            "reset_url": settings.SITE_URL + reverse("account_reset_password"),
            "reset_hours": settings.PASSWORD_RESET_TIMEOUT // SECONDS_PER_HOUR,
        }
        self.render_mail(template_prefix, email, told).send()

    def send_notification_mail(self, *args: Any, **options: Any) -> None:
        """Tell somebody what changed about their sign-in. It has changed, sent or not."""
        try:
            super().send_notification_mail(*args, **options)
        except OSError:
            logger.exception("The mail about a change of sign-in could not be sent")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the address that the mail leads to."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.SITE_URL + path.replace("UID-KEY", quote(key))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the visitor's address, or the last proxy's if the header names too few."""
        try:
            return str(super().get_client_ip(request))
        except (ImproperlyConfigured, PermissionDenied):
            logger.warning(
                "X-Forwarded-For has fewer addresses than TRUSTED_PROXY_COUNT says, or none: "
                "sign-in attempts are counted by the proxy's address."
            )
            return str(request.META.get("REMOTE_ADDR", ""))

    def is_safe_url(self, url: str) -> bool:
        """Whether to lead on to ``url``; not where nobody could read it, such as `//[`."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        """Return who has this password; within the limits of `billing.accounts.attempts`.

        Replaces allauth's own limit, by which anybody could lock out anybody. Raises
        ValidationError with how long to wait.
        """
        address = str(credentials.get("email") or credentials.get("username") or "")
        counters = password_counters(visitor=self.get_client_ip(request), address=address)
        try:
            begin_attempt(counters=counters, what="wrong passwords", now=clock.now())
        except TooManyAttempts as refusal:
            note("refused: too many wrong passwords", request=request, user=known(address))
            raise ValidationError(refusal.message, code="too_many_attempts") from refusal
        user: User | None = super().authenticate(request, **credentials)
        if user is None:
            note("wrong password", request=request, user=known(address))
        else:
            succeed(counters=counters)
        return user

    def set_password(self, user: User, password: str) -> None:
        """Store a new password, chosen by who knows the old one or has a link."""
        request = context.request
        is_own = request.user.is_authenticated and request.user.pk == user.pk
        kind = ActivityKind.PASSWORD_CHANGED if is_own else ActivityKind.PASSWORD_CHOSEN
        with transaction.atomic():
            super().set_password(user, password)
            note_about_person(kind, person=user, by=actor_of(request, user))

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Forgive earlier attempts: allauth calls it when a link has set a new password."""
        forgive_address(address=str(credentials.get("email", "")))

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: operators add people."""
        return False
