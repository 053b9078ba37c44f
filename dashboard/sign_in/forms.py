"""The forms on which people prove who they are, with limits that hold in the database."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_second_step_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.core.exceptions import ValidationError

from billing import clock
from billing.accounts.attempts import (
    Counter,
    TooManyAttempts,
    begin_attempt,
    code_counters,
    password_counters,
    succeed,
    use_code,
)
from billing.models import User
from dashboard.sign_in.log import note


class OwnPasswordForm(ChangePasswordForm):
    """A new password, for who knows the one before."""

    def clean_oldpassword(self) -> str:
        """Check the password so far, as often as at sign-in."""
        counters = password_counters(visitor=_visitor(), address=self.user.email)
        _begin(counters, "wrong passwords")
        password = str(super().clean_oldpassword())
        succeed(counters=counters)
        return password


class LimitedCode:
    """A code of the second step: tried a few times only, and used once."""

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Check the code. Codes of an app are used once even while Redis is away."""
        counters = code_counters(visitor=_visitor(), user=self.user)
        _begin(counters, "wrong codes")
        code = str(super().clean_code())  # type: ignore[misc]  # the form that it is mixed into
        if self.authenticator.type == Authenticator.Type.TOTP:
            _use(code, self.user)
        succeed(counters=counters)
        return code


class CodeForm(LimitedCode, AuthenticateForm):
    """The second step of signing in."""


class CodeAgainForm(LimitedCode, ReauthenticateForm):
    """The code of who is signed in, before a change."""


class SetUpForm(ActivateTOTPForm):
    """The first code of an app. It sets the second step up, and is used by that."""

    def clean_code(self) -> str:
        """Check the code."""
        code = str(super().clean_code())
        _use(code, self.user)
        return code


def _use(code: str, user: User) -> None:
    """Use a right code of an app; raise ValidationError where it was used before."""
    digits = "".join(filter(str.isdecimal, code))  # it may be typed as "123 456"
    if not use_code(user=user, code=digits, now=clock.now()):
        raise get_second_step_adapter().validation_error("incorrect_code")


def _visitor() -> str:
    return str(get_adapter().get_client_ip(context.request))


def _begin(counters: list[Counter], what: str) -> None:
    try:
        begin_attempt(counters=counters, what=what, now=clock.now())
    except TooManyAttempts as refusal:
        note(f"refused: too many {what}", request=context.request)
        raise ValidationError(refusal.message, code="too_many_attempts") from refusal
