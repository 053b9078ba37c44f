"""Celery's shells around what sign-in leaves behind."""

from importlib import import_module

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.conf import settings
from django.contrib.sessions.models import Session

from billing import clock
from billing.accounts.attempts import clear_attempts
from billing.accounts.encryption import encrypt_anew


@shared_task
def clear_sign_in() -> None:
    """Delete attempts and sessions that are over, and encrypt again what has an older key."""
    clear_attempts(now=clock.now())
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    there = Session.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=there).delete()
    encrypt_anew()
