"""Sources that were heard of and are not any more: said on their page, and once by mail."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from billing.backoff import LATE_AFTER
from billing.models import Membership, Role
from calls.inbox.selectors import heard_at as last_heard_at
from calls.models import CallSource, InboxEvent, Via

# `tell` is called as often as that.
LOOKED_FOR_EVERY = timedelta(minutes=10)
UNTOLD = Q(silence_told_at=None) | Q(silence_told_at__lt=F("last_event_at"))


def silence() -> timedelta | None:
    """How long a source may be silent before somebody is told; None where nobody is."""
    hours: int = settings.SOURCE_SILENCE_HOURS
    return timedelta(hours=hours) if hours else None


def is_silent(source: CallSource, *, heard_at: datetime | None, now: datetime) -> bool:
    """Whether nothing was heard for too long of a source that was heard of before."""
    allowed = silence()
    if allowed is None or heard_at is None or source.paused_at is not None:
        return False
    # One that was paused has not been silent since before it went on.
    return now - heard_at > allowed


def silent_sources(*, now: datetime) -> QuerySet[CallSource]:
    """The sources that are silent, as `is_silent` says; none where nobody is told of silence."""
    allowed = silence()
    if allowed is None:
        return CallSource.objects.none()
    events = InboxEvent.objects.filter(source=OuterRef("pk")).exclude(via=Via.TEST)
    # What has arrived is not among a source's own facts before a worker has read it.
    was_heard = Q(last_event_at__lt=now - allowed) | Q(last_event_at=None) & Q(Exists(events))
    return CallSource.objects.filter(
        was_heard,
        ~Q(Exists(events.filter(received_at__gte=now - allowed))),
        deleted_at=None,
        paused_at=None,
    )


def late(*, now: datetime) -> QuerySet[CallSource]:
    """The silent sources of which somebody should have been told by ``now`` and was not."""
    return silent_sources(now=now - LOOKED_FOR_EVERY - LATE_AFTER).filter(UNTOLD)


def tell(*, deliver: Callable[[CallSource, Sequence[str], datetime], None], now: datetime) -> int:
    """Have ``deliver`` tell those who manage an account of each source that fell silent, once.

    Returns of how many. What ``deliver`` raises is raised, and that source is told of later.
    """
    told = 0
    for pk in silent_sources(now=now).filter(UNTOLD).values_list("pk", flat=True):
        with transaction.atomic():
            source = (
                CallSource.objects.select_for_update(no_key=True, of=("self",))
                .select_related("account")
                .get(pk=pk)
            )
            heard = last_heard_at(source)
            known = source.silence_told_at
            if heard is None or not is_silent(source, heard_at=heard, now=now):
                continue
            if known is not None and known >= heard:
                continue
            deliver(source, managers_of(source), heard)
            source.silence_told_at = heard
            source.save(update_fields=["silence_told_at"])
        told += 1
    return told


def managers_of(source: CallSource) -> list[str]:
    """The addresses of those who can look after ``source``."""
    people = Membership.objects.filter(
        account=source.account_id,
        role__in=[Role.SUPERADMIN, Role.ADMIN],
        user__is_active=True,
    ).exclude(user__email="")
    return list(people.order_by("user__email").values_list("user__email", flat=True))
