"""Asking platforms for their lists of calls: what never came is found, what came is known.

A pull asks for what started since the last one, and for an hour before that, because a list may be
late. Calls that were under way are asked for again until they have ended; the newest calls are
asked for first, so that nobody waits for one that never ends. What it finds is stored like what is
sent, and recorded by the same worker.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction

from calls.inbox.receiving import digest_of, store
from calls.inbox.sources import api_key_of, is_pulled, platform_of
from calls.models import CallSource, PullState, Via
from calls.models.call_source import REASON_LENGTH_MAX
from calls.platforms.asking import AskedToWaitError, Asker, AskingError, KeyRefusedError
from calls.records import CALL_LENGTH_MAX

EVERY: Final = timedelta(minutes=15)
REFUSED_EVERY: Final = timedelta(hours=6)
OVERLAP: Final = timedelta(hours=1)
# Calls of the time before it was connected are a matter of a file.
BEFORE_CONNECTED: Final = timedelta(hours=1)
# How much is asked for at a time: what was found is kept if a later part fails.
WINDOW: Final = timedelta(hours=12)
PARTS_MAX: Final = 20
# A task that died is given up after this long.
GIVEN_UP_AFTER: Final = timedelta(minutes=6)

logger = logging.getLogger(__name__)


def due(*, now: datetime) -> list[int]:
    """The sources whose list is to be asked, the longest waiting first."""
    sources = CallSource.objects.filter(
        deleted_at=None, paused_at=None, next_pull_at__lte=now
    ).order_by("next_pull_at")
    return list(sources.values_list("pk", flat=True))


def pull(*, source_id: int, now: datetime, asker: Asker | None = None) -> int:
    """Ask the platform of one source for its calls; return how many were not known.

    ``asker`` is who asks, where the platform's own API is not to be asked. What goes wrong is kept
    with the source, for people to see; a database that is away raises.
    """
    source = _begin(source_id, now)
    if source is None:
        return 0
    asker = asker or Asker(
        settings.PLATFORM_API_BASES.get(source.kind) or platform_of(source).api_base
    )
    found = 0
    unfinished: list[datetime] = []
    parts = list(_parts(source, now))
    newest_since = parts[0][0]
    try:
        for place, (since, until) in enumerate(parts):
            new, unfinished_since = _ask(source, asker, since=since, until=until, now=now)
            found += new
            if unfinished_since is not None:
                unfinished.append(unfinished_since)
            if place == 0 and len(parts) > 1:
                continue  # what lies before the newest part is not known yet
            known_until = now if until >= newest_since else until
            # Nobody is asked again and again about a call that never ends.
            oldest = max(min(unfinished, default=known_until), now - CALL_LENGTH_MAX)
            source.pulled_until = min(known_until, oldest)
            _note(source, PullState.FINE, "", now, next_at=now + EVERY)
    except KeyRefusedError as error:
        _note(source, PullState.REFUSED, str(error), now, next_at=now + REFUSED_EVERY)
    except AskedToWaitError as error:
        next_at = now + timedelta(seconds=error.seconds)
        _note(source, PullState.WAITING, str(error), now, next_at=next_at)
    except AskingError as error:
        _note(source, PullState.FAILING, str(error), now, next_at=now + EVERY)
    finally:
        asker.close()
    return found


def _begin(source_id: int, now: datetime) -> CallSource | None:
    """Take the turn of a source, so that nobody else does; None where there is nothing to ask.

    A worker that records what the source sent holds its row for a moment. We wait for it: otherwise
    whoever pressed "Ask now" would get nothing, and not be told.
    """
    with transaction.atomic():
        source = (
            CallSource.objects.select_for_update(no_key=True, of=("self",))
            .select_related("account")
            .filter(pk=source_id, deleted_at=None, paused_at=None)
            .first()
        )
        if source is None or not is_pulled(source):
            return None
        source.next_pull_at = now + GIVEN_UP_AFTER
        source.save(update_fields=["next_pull_at"])
    return source


def _parts(source: CallSource, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From when until when to ask: first for the newest, then from the earliest on up to there."""
    since = (
        source.created_at - BEFORE_CONNECTED
        if source.pulled_until is None
        else source.pulled_until - OVERLAP
    )
    newest_since = max(since, now - OVERLAP - WINDOW)
    yield newest_since, now
    until = since
    for _ in range(PARTS_MAX - 1):
        if until >= newest_since:
            return
        until = min(since + WINDOW, newest_since) + OVERLAP
        yield since, until
        since = until - OVERLAP


def _ask(
    source: CallSource, asker: Asker, *, since: datetime, until: datetime, now: datetime
) -> tuple[int, datetime | None]:
    """Store the calls of a window; return how many were new, and since when one is under way."""
    new = 0
    unfinished: list[datetime] = []
    for page in platform_of(source).pulled(
        asker, api_key=api_key_of(source), options=source.options, since=since, until=until
    ):
        with transaction.atomic():
            for event in page.events:
                digest = digest_of(event.fields)
                new += store(source=source, event=event, digest=digest, now=now, via=Via.PULL)
        if page.unfinished_since is not None:
            unfinished.append(page.unfinished_since)
    return new, min(unfinished, default=None)


def _note(
    source: CallSource, state: PullState, said: str, now: datetime, *, next_at: datetime | None
) -> None:
    """Keep how it went. A key that was exchanged meanwhile is asked with at once all the same."""
    if state is not PullState.FINE:
        logger.warning("The calls of source %s could not be asked for: %s", source.pk, said)
    source.pull_state, source.pull_said = state, said[:REASON_LENGTH_MAX]
    CallSource.objects.filter(
        pk=source.pk, api_key=source.api_key, secret=source.secret, deleted_at=None
    ).update(
        pull_state=state,
        pull_said=said[:REASON_LENGTH_MAX],
        last_pull_at=now,
        next_pull_at=next_at,
        pulled_until=source.pulled_until,
    )
