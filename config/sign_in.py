"""Who may sign in: people whom an operator added. Nobody signs up by themselves."""

import logging

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import PasswordResetView
from django import forms
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

logger = logging.getLogger(__name__)


class ClosedSignUpAdapter(DefaultAccountAdapter):
    """allauth, with open sign-up closed."""

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
