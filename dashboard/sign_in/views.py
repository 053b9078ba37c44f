"""The pages of sign-in that are not allauth's own."""

import logging
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.views import PasswordResetView
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.mail import get_connection
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator

from billing import clock
from billing.accounts.attempts import TooManyAttempts, begin_attempt, link_counters
from billing.models import User
from dashboard.sign_in.log import known, note
from dashboard.sign_in.second_step import has_second_step
from dashboard.sign_in.sessions import note_ended

logger = logging.getLogger(__name__)


class ResetPasswordView(PasswordResetView):
    """Send a link to a new password; where no mail can be sent, say so."""

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Send the link. A mail server that refuses or is missing raises OSError."""
        answer: HttpResponse
        address = form.cleaned_data["email"]
        counters = link_counters(visitor=get_adapter().get_client_ip(self.request), address=address)
        try:
            begin_attempt(counters=counters, what="links were asked for", now=clock.now())
        except TooManyAttempts as refusal:
            note("refused: too many links", request=self.request, user=known(address))
            form.add_error(None, refusal.message)
            answer = self.form_invalid(form)
            return answer
        try:
            # For an address that nobody has, too: a failure must not tell who has an account.
            with get_connection():
                answer = super().form_valid(form)
        except OSError:
            logger.exception("The mail with a link to a new password could not be sent")
            form.add_error(None, "The mail could not be sent. Try again in a few minutes.")
            answer = self.form_invalid(form)
        return answer


class SetUpSecondStepView(ActivateTOTPView):
    """Setting up the second step. Whoever sends the form several times at once sets up one."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Set it up, unless that has been done since the look that comes before."""
        person = cast(User, request.user)
        answer: HttpResponse
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=person.pk)
            if has_second_step(person):
                return redirect("mfa_index")
            answer = super().post(request, *args, **kwargs)
        return answer


@method_decorator(reauthentication_required(allow_get=True), name="dispatch")
class SessionsView(ListUserSessionsView):
    """Where somebody is signed in. A POST ends one of these sessions, or all others.

    Whoever is at somebody else's browser can't end that person's own sessions: it takes the
    password or a code.
    """

    @property
    def _person(self) -> User:
        return cast(User, self.request.user)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """End the session that the form names, if it is the person's own; else all others."""
        asked = self.request.POST.get("session", "")
        own = UserSession.objects.filter(user=self.request.user)
        if not asked:
            note("ended all other sessions", request=self.request, user=self.request.user)
            with transaction.atomic():
                others = own.exclude(session_key=self.request.session.session_key)
                note_ended(self._person, others)
                answer: HttpResponse = super().form_valid(form)
            return answer
        for session in own.filter(pk=asked if asked.isdecimal() and len(asked) < 19 else 0):
            with transaction.atomic():
                note_ended(self._person, [session])
                session.end()
            note("ended a session", request=self.request, user=self.request.user)
            messages.success(self.request, "That session is ended.")
        return redirect("usersessions_list")


def sign_in_to_operations(request: HttpRequest) -> HttpResponse:
    """Replace the admin's own sign-in, which asks for no second step and counts no attempts.

    Everybody signs in on one page and continues to where they were going. A signed-in visitor who
    is no operator gets a page that says so: a redirect would lead back here for ever.
    """
    if request.user.is_authenticated and not admin.site.has_permission(request):
        return render(request, "operators_only.html", status=403)
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))
