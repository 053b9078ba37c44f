"""Celery's shells around domain calls on calls and ledger together: files in and out, sources."""

from celery import shared_task
from django.core.cache import cache
from django.core.management import call_command

from billing import clock
from billing.queue import RETRYING, enqueue
from calls import numbers, ordering
from calls.exports import keeping, making
from calls.imports import command_imports, machine, slices, uploads
from calls.inbox import draining, forgetting, pulling
from calls.inbox import sources as call_sources
from calls.inbox.again import retry_failed


@shared_task(soft_time_limit=280)
def audit_ledger() -> None:
    """Prove the ledger. A breach fails the task, which logs it."""
    call_command("audit_ledger")


@shared_task(**RETRYING)
def work_on_import(import_id: int, ticket: int) -> None:
    """Do one slice of an import, and queue the next."""
    if slices.work(import_id=import_id, ticket=ticket, clock=clock.now):
        work_on_import.delay(import_id, ticket)


@shared_task
def sweep_imports() -> None:
    """Queue the imports that should be moving and are not; end those of killed commands."""
    machine.requeue(now=clock.now())
    command_imports.stop_killed(now=clock.now())


@shared_task
def delete_old_import_files() -> None:
    """Delete files that are older than is promised, and uploads that were abandoned."""
    uploads.delete_old_files(now=clock.now())


@shared_task(**RETRYING)
def delete_old_numbers() -> None:
    """Delete numbers of old calls for a while, and queue the rest."""
    if numbers.delete_old_numbers(clock=clock.now):
        delete_old_numbers.delay()


@shared_task(**RETRYING)
def make_exports() -> None:
    """Do one slice of an export, and queue the next."""
    if making.work(clock=clock.now):
        make_exports.delay()


@shared_task
def sweep_exports() -> None:
    """Go on with exports that should be moving and are not."""
    if keeping.has_stalled(now=clock.now()):
        make_exports.delay()


@shared_task
def delete_old_exports() -> None:
    """Delete exported files that are a day old, and what is left of others."""
    keeping.delete_old(now=clock.now())


@shared_task(**RETRYING)
def follow_order(change_id: int) -> None:
    """Let some calls follow a change of the order of sources, and queue the next."""
    if ordering.follow_order(change_id=change_id, now=clock.now()):
        follow_order.delay(change_id)


@shared_task
def sweep_orders() -> None:
    """Have calls follow the changes of order that a lost task has left."""
    for change_id in ordering.under_way():
        follow_order.delay(change_id)


# ── Inbox ─────────────────────────────────────────────────────────────────────────────────────
DRAIN_QUEUED = "calls.inbox.drain-is-queued"
DRAIN_QUEUED_SECONDS = 10  # if the broker loses it, the next one is queued after this


def queue_drain() -> None:
    """Have a worker record what waits, unless that is queued and has not begun."""
    if cache.add(DRAIN_QUEUED, 1, timeout=DRAIN_QUEUED_SECONDS):
        enqueue(drain_inbox)


@shared_task(**RETRYING)
def drain_inbox() -> None:
    """Record what sources have sent, for some seconds, and queue the next slice."""
    cache.delete(DRAIN_QUEUED)  # before anything is read: what comes later queues another
    if draining.drain(clock=clock.now):
        queue_drain()


@shared_task(**RETRYING)
def pull_source(source_id: int) -> None:
    """Ask one platform for the calls that never came."""
    if pulling.pull(source_id=source_id, now=clock.now()):
        queue_drain()


@shared_task
def pull_due_sources() -> None:
    """Ask the platforms whose turn it is."""
    for source_id in pulling.due(now=clock.now()):
        pull_source.delay(source_id)


@shared_task
def sweep_inbox() -> None:
    """Have recorded what waits although no worker was told, failed, or is held back no more."""
    retry_failed(now=clock.now())
    call_sources.let_go_on()
    if draining.oldest_waiting() is not None:
        queue_drain()


@shared_task
def tidy_inbox() -> None:
    """Delete old events, and encrypt again what has an older key."""
    forgetting.forget_old(now=clock.now())
    call_sources.encrypt_anew()
