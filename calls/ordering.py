"""The order of an account's sources: changing it, and letting the calls follow.

Calls that several sources report have the facts of the highest. So another order corrects those of
which another report counts now: not their number, but what they cost. There can be very many, so
they follow in steps, each a transaction, and how far they are is kept (`OrderChange`). Records that
arrive meanwhile are decided by the new order already.

Rule: "How credits are consumed", 9. Who may change the order is decided by those who call this.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from billing.activity import ActivityKind, changed, note
from billing.plans import movements
from billing.refusals import Refusal
from calls import reports, stored
from calls.charges import Charges
from calls.models import CallReport, CallSource, OrderChange
from calls.reconciling import Reconciliation
from calls.records import CallKey
from calls.reporters import Order
from calls.stored import OvertakenError

CALLS_AT_ONCE = 500
# As many are looked at before it is done.
PREVIEW_CALLS_MAX = 2_000


class Preview(NamedTuple):
    """What another order would do: how many calls it would correct, and what they would cost more
    (negative: less). ``looked_at`` of the calls that several report were looked at; there are
    ``more``, if it was not all."""

    corrected: int = 0
    credits: int = 0
    looked_at: int = 0
    more: bool = False


def preview_order(*, account_id: int, source_ids: Sequence[int], now: datetime) -> Preview:
    """Say what the order ``source_ids``, the highest first, would do. Writes and locks nothing.

    Raises Refusal where these are not all of the account's sources.
    """
    order = Order(_positions(account_id, source_ids))
    preview = Preview()
    after = ""
    while preview.looked_at < PREVIEW_CALLS_MAX:
        keys = _reported_calls(account_id, after=after)
        if not keys:
            return preview
        decided = _decided(account_id, keys, order, now)
        preview = Preview(
            preview.corrected + len(decided.changes),
            preview.credits + sum(change.credits for change in decided.changes),
            preview.looked_at + len(keys),
        )
        _, after = keys[-1]
    return preview._replace(more=bool(_reported_calls(account_id, after=after)))


def change_order(*, account_id: int, source_ids: Sequence[int], now: datetime) -> OrderChange:
    """Give the account's sources the order ``source_ids``, the highest first.

    The calls follow by `follow_order`. Raises Refusal where these are not all of its sources.
    """
    with transaction.atomic():
        # Sources before their account, as whoever records what they sent (`calls.inbox`).
        own = CallSource.objects.select_for_update(no_key=True).filter(account_id=account_id)
        list(own.order_by("pk"))
        reports.lock_accounts([account_id])
        positions = _positions(account_id, source_ids)
        names = dict(CallSource.objects.filter(pk__in=source_ids).values_list("pk", "name"))
        known = CallSource.objects.filter(pk__in=source_ids).order_by("position")
        before = list(known.values_list("name", flat=True))
        note(
            ActivityKind.SOURCES_ORDERED,
            account=account_id,
            changes=changed({"order": before}, {"order": [names[pk] for pk in source_ids]}),
        )
        for source_id in source_ids:  # the database looks at the order when all have their place
            CallSource.objects.filter(pk=source_id).update(position=positions[source_id])
        # An earlier change that calls still follow is overtaken: they follow this one.
        earlier = OrderChange.objects.filter(account_id=account_id, finished_at=None)
        earlier.update(finished_at=now)
        return OrderChange.objects.create(account_id=account_id, changed_at=now)


def follow_order(*, change_id: int, now: datetime, limit: int = CALLS_AT_ONCE) -> bool:
    """Let at most ``limit`` calls follow a change of order; return whether there are more.

    One transaction, safe to repeat and to lose.
    """
    while True:
        try:
            with transaction.atomic():
                return _follow(change_id, now, limit)
        except OvertakenError:
            continue  # a call changed before it could be locked


def under_way() -> list[int]:
    """The ids of changes that calls still have to follow, oldest first."""
    changes = OrderChange.objects.filter(finished_at=None).order_by("pk")
    return list(changes.values_list("pk", flat=True))


def _follow(change_id: int, now: datetime, limit: int) -> bool:
    change = (
        OrderChange.objects.select_for_update(of=["self"])
        .filter(pk=change_id, finished_at=None)
        .first()
    )
    if change is None:
        return False
    account_id = change.account_id
    reports.lock_accounts([account_id])
    keys = _reported_calls(account_id, after=change.done_until, limit=limit)
    if not keys:
        change.finished_at = now
        change.save(update_fields=["finished_at"])
        return False
    decided = _decided(account_id, keys, Order.read([account_id]), now)
    new_calls = sorted(decided.new_calls, key=lambda call: call[0].record.key)
    stored.insert(new_calls, recorded_at=now)
    decided.check(stored.lock(decided.changed))
    postings = [posting for _, own in decided.store() for posting in own]
    movements.post(postings=postings, now=now, references_are_new=True)
    _, change.done_until = keys[-1]
    change.corrected += len(decided.changes)
    change.credits -= sum(posting.credits for posting in postings)
    change.save(update_fields=["done_until", "corrected", "credits"])
    return True


def _decided(
    account_id: int, keys: Sequence[CallKey], order: Order, now: datetime
) -> Reconciliation:
    reconciliation = Reconciliation(charges=Charges({account_id}), order=order, now=now)
    reconciliation.read(keys)
    reconciliation.settle()
    return reconciliation


def _reported_calls(account_id: int, *, after: str, limit: int = CALLS_AT_ONCE) -> list[CallKey]:
    """The next calls of the account that have reports, in order of their IDs."""
    linked = CallReport.objects.filter(account_id=account_id, linked_call_id__gt=after)
    call_ids = linked.order_by("linked_call_id").values_list("linked_call_id", flat=True)
    return [(account_id, call_id) for call_id in call_ids.distinct()[:limit]]


def _positions(account_id: int, source_ids: Sequence[int]) -> Mapping[int, int]:
    """The positions of all sources of the account in the order ``source_ids``.

    Deleted ones keep theirs. Raises Refusal.
    """
    sources = CallSource.objects.filter(account_id=account_id).order_by("position")
    known = {source.pk: source for source in sources}
    movable = [pk for pk, source in known.items() if source.deleted_at is None]
    if sorted(source_ids) != sorted(movable):
        raise Refusal("The sources have changed meanwhile. Reload the page.", field="order")
    places = [known[pk].position for pk in movable]
    return {
        **{pk: source.position for pk, source in known.items()},
        **dict(zip(source_ids, places, strict=True)),
    }
