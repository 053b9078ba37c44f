"""Calls one by one, as programs read them: newest first, or in the order in which they changed.

A call stands where the log has its charge, so that a list of days has exactly the calls that its
pages count. Filters of usage type and agent are those of the log too; a status is that of now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from billing.ledger import references
from billing.ledger.balances import CLOCKS_APART_MAX, last_seq_by
from billing.models import Account, Kind, LedgerEntry
from billing.models.ledger import USAGE_KINDS
from calls.models import Call
from calls.usage.call import other_id_of
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period
from calls.usage.places import Place

# What one part of a list may read to find calls with a status.
ROWS_READ_MAX = 10_000
ROWS_PER_READ = 500
# An entry says when its booking began, and is seen once that is committed: whoever asked meanwhile,
# and asks again for what changed since then, must not miss it.
BOOKED_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CallsPart:
    """Part of a list of calls. ``after``: where the next part begins; None where nothing is left.

    A part may have fewer calls than were asked for, or none, and still not be the last one.
    """

    calls: Sequence[Call]
    after: list[int] | None


def newest_calls(
    *,
    account: Account,
    filters: UsageFilters,
    period: Period | None,
    status: str = "",
    after: Sequence[int] | None,
    limit: int,
) -> CallsPart:
    """At most ``limit`` calls of ``period``, the newest first, from the position ``after`` on.

    A position is a place in the log.
    """
    charges = filters.entries(account).filter(kind=Kind.CALL)
    if period is not None:
        charges = charges.filter(occurred_at__gte=period.starts_at, occurred_at__lt=period.ends_at)
    found: list[Call] = []
    read = 0
    while read < ROWS_READ_MAX:
        size = ROWS_PER_READ if status else limit + 1 - len(found)
        older = charges if after is None else charges.filter(Place.of_numbers(after).is_before)
        rows = list(
            older.order_by("-occurred_at", "-id").values_list(
                "occurred_at", "id", "call_id", "reference"
            )[:size]
        )
        read += len(rows)
        calls = _calls(account, (call_id for _, _, call_id, _ in rows))
        for occurred_at, entry_id, call_id, reference in rows:
            call = calls.get(call_id)
            if call is not None and reference == _charge_of(call) and status in ("", call.status):
                if len(found) == limit:
                    return CallsPart(found, list(after or ()))
                found.append(call)
            after = Place(occurred_at, entry_id).as_numbers
        if len(rows) < size:
            return CallsPart(found, None)
    return CallsPart(found, list(after or ()))


def changed_calls(
    *,
    account: Account,
    filters: UsageFilters,
    since: datetime,
    status: str = "",
    after: Sequence[int] | None,
    limit: int,
) -> CallsPart:
    """At most ``limit`` calls that changed ``since``, as they are now.

    First those that were booked, corrected or withdrawn, then those that changed without an entry:
    of both the earliest change first. Those of `BOOKED_WITHIN` before ``since`` come too. A
    position is the number of an entry, then the place of a call by when it was told anew.
    ``filters`` and ``status`` are those of the call as it is now.
    """
    since -= BOOKED_WITHIN
    if after:
        last_seq, place = after[0], Place.of_numbers(after[1:])
    else:
        last_seq = last_seq_by(account=account, at=since - CLOCKS_APART_MAX)
        place = Place(since, 0)
    found: dict[str, Call] = {}
    read = 0
    while read < ROWS_READ_MAX:
        changes = LedgerEntry.objects.filter(
            account=account, seq__gt=last_seq, kind__in=USAGE_KINDS, posted_at__gte=since
        )
        rows = list(changes.order_by("seq").values_list("seq", "call_id")[:ROWS_PER_READ])
        read += len(rows)
        calls = _calls(account, (call_id for _, call_id in rows))
        for seq, call_id in rows:
            call = calls.get(call_id)
            if call is not None and call_id not in found and passes(call, filters, status):
                if len(found) == limit:
                    return CallsPart(list(found.values()), [last_seq, *place.as_numbers])
                found[call_id] = call
            last_seq = seq
        if len(rows) < ROWS_PER_READ:
            break
    while read < ROWS_READ_MAX:
        later = Q(retold_at__gt=place.occurred_at) | Q(id__gt=place.id)
        retold = list(
            Call.objects.filter(later, account=account, retold_at__gte=place.occurred_at).order_by(
                "retold_at", "id"
            )[:ROWS_PER_READ]
        )
        read += len(retold)
        for call in retold:
            if call.call_id not in found and passes(call, filters, status):
                if len(found) == limit:
                    return CallsPart(list(found.values()), [last_seq, *place.as_numbers])
                found[call.call_id] = call
            assert call.retold_at is not None
            place = Place(call.retold_at, call.id)
        if len(retold) < ROWS_PER_READ:
            # Whoever asks again from here gets what changes from now on.
            return CallsPart(list(found.values()), None)
    return CallsPart(list(found.values()), [last_seq, *place.as_numbers])


def call_named(*, account: Account, call_id: str) -> Call | None:
    """The call with exactly this ID; one query."""
    return Call.objects.filter(account=account, call_id=call_id).first()


def call_found(*, account: Account, call_id: str) -> Call | None:
    """The call that has this ID: its own, or else one that others give it."""
    found = call_named(account=account, call_id=call_id)
    if found is None and (other := other_id_of(account=account, call_id=call_id)):
        found = call_named(account=account, call_id=other)
    return found


def _calls(account: Account, call_ids: Iterable[str]) -> dict[str, Call]:
    wanted = set(call_ids)
    if not wanted:
        return {}
    found = Call.objects.filter(account=account, call_id__in=wanted).order_by()
    return {call.call_id: call for call in found}


def _charge_of(call: Call) -> str:
    """The reference of the charge that counts, or counted last: of several lives of a call."""
    lives = call.times_withdrawn + (call.withdrawn_at is None)
    return references.of_call_again(call.call_id, lives)


def passes(call: Call, filters: UsageFilters, status: str, period: Period | None = None) -> bool:
    """Whether ``call`` passes the filters, and started in ``period``."""
    is_inside = period is None or period.starts_at <= call.started_at < period.ends_at
    return (
        is_inside
        and filters.usage_type in ("", call.usage_type)
        and filters.takes_agent(call.agent)
        and status in ("", call.status)
    )
