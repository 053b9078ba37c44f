"""The second step of signing in: its seeds are encrypted, and operators need one.

An operator without one may look around for a week after the first visit to the operators' pages,
or to an account of somebody else (`dashboard.access`).
"""

import secrets
from base64 import b32encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from billing import clock
from billing.accounts import encryption
from billing.models import User
from dashboard.demo import OPERATOR

GRACE = timedelta(days=7)
OPERATIONS = "/admin/"
WITHOUT_STEP = "/admin/login/"


class EncryptingAdapter(DefaultMFAAdapter):
    """allauth's second steps, with seeds that a copy of the database does not tell."""

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """The seed; where no key fits, one that no code is of, so that none signs in."""
        unknowable = b32encode(secrets.token_bytes(20)).decode()
        return encryption.decrypt(encrypted_text) or unknowable


class SecondStepMiddleware:
    """Leads operators who have no second step to setting one up, once their week is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the operators' pages to who has the second step, or still has time."""
        user = cast(User, request.user)
        if _is_for_operators(request) and not may_operate(user, now=clock.now()):
            return lead_to_second_step(request)
        return self.get_response(request)


def lead_to_second_step(request: HttpRequest) -> HttpResponseBase:
    """Send an operator whose week is over to setting the second step up."""
    messages.warning(request, "Operators need a second step. Set it up now, then go on.")
    return redirect("mfa_activate_totp")


def may_operate(user: User, *, now: datetime) -> bool:
    """Whether an operator has a second step, or is within the week in which to set it up.

    The first call begins the week.
    """
    if has_second_step(user) or (settings.DEMO_SIGN_INS and user.email == OPERATOR):
        return True
    if user.second_step_due_at is None:
        user.second_step_due_at = now + GRACE
        user.save(update_fields=["second_step_due_at"])
    return now < user.second_step_due_at


def has_second_step(user: User) -> bool:
    """Whether ``user`` signs in with a code too."""
    found: bool = Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists()
    return found


def _is_for_operators(request: HttpRequest) -> bool:
    if not request.path_info.startswith(OPERATIONS) or request.path_info == WITHOUT_STEP:
        return False
    return bool(request.user.is_authenticated and request.user.is_staff)
