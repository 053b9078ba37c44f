"""The Celery app and the beat schedule: what runs by itself, and when (UTC).

A task lives beside its domain function in `<app>/tasks.py`. To have it run by itself, add one
entry here: its name, its dotted task and a `crontab` or a number of seconds.
"""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("call_credits")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["billing.accounts", "billing.plans", "billing.payments", "dashboard.mail"])

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "sweep payments": {"task": "billing.payments.tasks.sweep_payments", "schedule": 10},
    "watch credits": {"task": "dashboard.mail.tasks.watch_credits", "schedule": 20},
    "expire credits": {"task": "billing.plans.tasks.expire_credits", "schedule": 60},
    "renew subscriptions": {"task": "billing.plans.tasks.renew_subscriptions", "schedule": 60},
    "sweep notices": {"task": "dashboard.mail.tasks.sweep_notices", "schedule": 60},
    "sweep imports": {"task": "calls.tasks.sweep_imports", "schedule": 60},
    "sweep exports": {"task": "calls.tasks.sweep_exports", "schedule": 60},
    "tell of exports": {"task": "dashboard.mail.tasks.tell_of_exports", "schedule": 10},
    "tell of plan requests": {
        "task": "dashboard.mail.tasks.tell_of_plan_requests",
        "schedule": 10,
    },
    "tell of closings": {"task": "dashboard.mail.tasks.tell_of_closings", "schedule": 60},
    "delete old exports": {"task": "calls.tasks.delete_old_exports", "schedule": 60},
    "sweep orders": {"task": "calls.tasks.sweep_orders", "schedule": 600},
    "sweep inbox": {"task": "calls.tasks.sweep_inbox", "schedule": 10},
    "pull calls": {"task": "calls.tasks.pull_due_sources", "schedule": 60},
    "tell of silent sources": {
        "task": "dashboard.mail.tasks.tell_of_silent_sources",
        "schedule": crontab(minute="*/10"),
    },
    "tidy inbox": {"task": "calls.tasks.tidy_inbox", "schedule": crontab(hour=2, minute=53)},
    "delete old import files": {
        "task": "calls.tasks.delete_old_import_files",
        "schedule": crontab(minute=23),
    },
    "delete old numbers": {
        "task": "calls.tasks.delete_old_numbers",
        "schedule": crontab(minute=37),
    },
    "expiring credits": {
        "task": "dashboard.mail.tasks.notice_expiring_credits",
        "schedule": crontab(minute=7),
    },
    "clear sign-in": {
        "task": "billing.accounts.tasks.clear_sign_in",
        "schedule": crontab(hour=2, minute=41),
    },
    "audit the ledger": {
        "task": "calls.tasks.audit_ledger",
        "schedule": crontab(hour=3, minute=17),
    },
}
for entry in BEAT_SCHEDULE.values():
    if isinstance(entry["schedule"], int):
        # What a worker that was away finds waiting is not done once for each time it missed.
        entry["options"] = {"expires": entry["schedule"]}
app.conf.beat_schedule = BEAT_SCHEDULE


@setup_logging.connect
def leave_logging_to_django(**_: object) -> None:
    """Keep Celery from setting up a second logging beside the one in settings.LOGGING."""


@worker_ready.connect
def watch_over_the_worker(**_: object) -> None:
    """Have it end when it hangs. Told again each time that it has found its broker back."""
    from config import watchdog  # noqa: PLC0415  (beside settings that are read; for workers only)

    watchdog.watch()
