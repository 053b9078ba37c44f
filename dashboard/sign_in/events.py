"""What follows from events of sign-in: sessions that end, and lines in the log."""

from typing import Any

from allauth.account import signals as sign_in
from allauth.core import context
from allauth.mfa import signals as second_step
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.contrib.auth import signals as auth
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from billing import clock
from billing.activity import note_about_person
from billing.models import Activity, ActivityKind, User
from billing.security_log import write
from dashboard.sign_in.log import note
from dashboard.sign_in.sessions import begin, end_sessions

OPERATIONS = {1: "added", 2: "changed", 3: "deleted"}  # the flags of a LogEntry


def connect() -> None:
    """Have the functions below called; once, when the site starts."""
    auth.user_logged_in.connect(_began)
    auth.user_logged_out.connect(_signed_out)
    sign_in.user_logged_in.connect(_signed_in)
    for signal, words in (
        (sign_in.password_changed, "password changed"),
        (sign_in.password_set, "password set"),
        (sign_in.password_reset, "password chosen by a link"),
    ):
        signal.connect(_new_password(words), weak=False)
    for signal, words in (
        (second_step.authenticator_added, "second step set up"),
        (second_step.authenticator_removed, "second step removed"),
        (second_step.authenticator_reset, "recovery codes made anew"),
    ):
        signal.connect(_new_second_step(words), weak=False)
    second_step.authentication_failed.connect(_wrong_code)
    post_save.connect(_second_step_made, sender=Authenticator)
    post_delete.connect(_second_step_gone, sender=Authenticator)
    post_save.connect(_noted, sender=Activity)
    post_save.connect(_operated, sender=LogEntry)


def _began(request: HttpRequest, **_: Any) -> None:
    begin(request, clock.now())


def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    note("signed in", request=request, user=user)


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        note("signed out", request=request, user=user)


def _new_password(words: str) -> Any:
    def noted(request: HttpRequest, user: User, **_: Any) -> None:
        note(words, request=request, user=user)
        end_sessions(user, but=_own_session(request, user))

    return noted


def _new_second_step(words: str) -> Any:
    def noted(request: HttpRequest, user: User, **_: Any) -> None:
        note(words, request=request, user=user)
        end_sessions(user, but=_own_session(request, user))

    return noted


def _wrong_code(request: HttpRequest, user: User, **_: Any) -> None:
    note("wrong code", request=request, user=user)


def _second_step_gone(instance: Authenticator, **_: Any) -> None:
    """End the sessions of somebody whose second step an operator removed."""
    request = getattr(context, "request", None)
    if instance.type == Authenticator.Type.TOTP:
        note_about_person(ActivityKind.SECOND_STEP_REMOVED, person=instance.user)
    own = _own_session(request, instance.user) if request is not None else None
    end_sessions(instance.user, but=own)


def _second_step_made(instance: Authenticator, created: bool, **_: Any) -> None:
    if created:
        is_step = instance.type == Authenticator.Type.TOTP
        kind = ActivityKind.SECOND_STEP_SET_UP if is_step else ActivityKind.RECOVERY_CODES_MADE
        with transaction.atomic():
            note_about_person(kind, person=instance.user)


def _noted(instance: Activity, **_: Any) -> None:
    """Write a line about what was done, once it is stored. What was typed stays in the database."""
    transaction.on_commit(
        lambda: write(
            instance.label,
            who=f"{instance.by_user_id or instance.by_kind} {instance.by_name}",
            visitor=instance.visitor,
            account=instance.account_id,
            activity=instance.pk,
        )
    )


def _operated(instance: LogEntry, created: bool, **_: Any) -> None:
    if created:
        note(
            f"operator {OPERATIONS[instance.action_flag]}",
            request=getattr(context, "request", None),
            user=instance.user,
            what=f"{instance.content_type} {instance.object_id}",
            how=instance.get_change_message(),
        )


def _own_session(request: HttpRequest, user: User) -> str | None:
    """The session in which ``user`` makes a change, which goes on."""
    is_own = request.user.is_authenticated and request.user.pk == user.pk
    return request.session.session_key if is_own else None
