"""Celery's shells around what sign-in leaves behind."""

from importlib import import_module

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from billing.accounts.attempts import clear_attempts


@shared_task
def clear_sign_in() -> None:
    """Delete attempts that limit nothing any more, and sessions that have ended."""
    clear_attempts(now=timezone.now())
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
