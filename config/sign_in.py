"""Who may sign in: people whom an operator added. Nobody signs up by themselves."""

import logging
from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import PasswordResetView
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

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
        except ImproperlyConfigured:
            logger.warning(
                "X-Forwarded-For has fewer addresses than TRUSTED_PROXY_COUNT says: sign-in "
                "attempts are counted by the proxy's address."
            )
            return str(request.META["REMOTE_ADDR"])

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: operators add people."""
        return False


class ResetPasswordView(PasswordResetView):
    """Send a link to a new password; where no mail can be sent, say so."""

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Send the link. A mail server that refuses or is missing raises OSError."""
        answer: HttpResponse
        try:
            # For an address that nobody has, too: a failure must not tell who has an account.
            with get_connection():
                answer = super().form_valid(form)
        except OSError:
            logger.exception("The mail with a link to a new password could not be sent")
            form.add_error(None, "The mail could not be sent. Try again in a few minutes.")
            answer = self.form_invalid(form)
        return answer


def sign_in_to_operations(request: HttpRequest) -> HttpResponse:
    """Replace the admin's own sign-in, which asks for no second step and counts no attempts.

    Everybody signs in on one page and continues to where they were going. A signed-in visitor who
    is no operator gets a page that says so: a redirect would lead back here for ever.
    """
    if request.user.is_authenticated and not admin.site.has_permission(request):
        return render(request, "operators_only.html", status=403)
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
