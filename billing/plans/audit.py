"""What must always be true between the ledger and the plans: billing cycles and their credits.

Functions of the same kind as those of `billing.ledger.audit`, which proves the ledger by itself.
Nothing here writes or repairs.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import zip_longest
from typing import Any, NamedTuple, TypeAlias

from django.db.models import OuterRef, Subquery

from billing.ledger import references
from billing.ledger.audit import Breach, Invariant
from billing.models import (
    Account,
    CreditGrant,
    CustomTerms,
    Kind,
    LedgerEntry,
    PlanTerms,
    Subscription,
)
from billing.plans.subscriptions import credits_end_at
from billing.zones import is_known


class _Followed(NamedTuple):
    """A subscription, and when the one that follows it begins."""

    subscription: Subscription
    changes_at: datetime | None


Subscriptions: TypeAlias = dict[tuple[int, int], _Followed]  # by account and subscription id


def plan_credits_have_their_cycle() -> Iterator[Breach]:
    """Plan credits are those of a billing cycle of the account's subscription: granted at its
    start, as many as its terms ever gave, until its end or the next change of plan before."""
    subscriptions = _subscriptions()
    given = _credits_ever_given(subscriptions)
    grants = CreditGrant.objects.filter(
        account_id=OuterRef("account_id"), reference=OuterRef("reference")
    )
    expiries = LedgerEntry.objects.filter(
        account_id=OuterRef("account_id"),
        reference=references.of_expiry_expression(OuterRef("reference")),
    )
    entries = LedgerEntry.objects.filter(kind=Kind.PLAN_CREDITS).select_related("account")
    entries = entries.annotate(
        expires_at=Subquery(grants.values("expires_at")),
        expired_at=Subquery(expiries.values("occurred_at")),
    )
    for entry in entries.order_by("account_id", "seq").iterator():
        if message := _wrong_with(entry, subscriptions, given):
            subject = f"entry {entry.seq} ({entry.reference})"
            yield Breach("plan credits", entry.account.slug, subject, message)


def _wrong_with(
    entry: Any, subscriptions: Subscriptions, given: Mapping[int, AbstractSet[int | None]]
) -> str:
    """What is wrong with ``entry``, which knows when its grant expires and expired; else empty."""
    named = references.cycle_in(entry.reference)
    found = named and subscriptions.get((entry.account_id, named.subscription_id))
    if not named or not found:
        return "belongs to no subscription of the account"
    subscription = found.subscription
    if not is_known(subscription.time_zone):
        return f"is of a subscription in the unknown time zone “{subscription.time_zone}”"
    cycle = subscription.cycle_at(entry.occurred_at)
    if (cycle.number, cycle.starts_at) != (named.number, entry.occurred_at):
        return f"is not at the start of cycle {named.number} of its subscription"
    if entry.credits not in given[subscription.pk]:
        return f"adds {entry.credits} credits, which no terms of its subscription give"
    ends_at = credits_end_at(cycle, changes_at=found.changes_at)
    # A change that was entered after the credits had expired does not expire them again.
    had_expired = entry.expires_at == entry.expired_at == cycle.ends_at
    if entry.expires_at == ends_at or had_expired:
        return ""
    return f"can be used until {entry.expires_at}, but ends at {ends_at}"


def subscriptions_know_what_they_granted() -> Iterator[Breach]:
    """A subscription notes that it has begun, and until when it has granted credits, as the ledger
    tells it: what it notes is not looked for again, so a wrong note would cost a cycle."""
    latest: dict[tuple[int, int], datetime] = {}
    entries = LedgerEntry.objects.filter(kind=Kind.PLAN_CREDITS)
    for account_id, reference, occurred_at in entries.order_by("occurred_at").values_list(
        "account_id", "reference", "occurred_at"
    ):
        if named := references.cycle_in(reference):
            latest[account_id, named.subscription_id] = occurred_at
    slugs = dict(Account.objects.values_list("pk", "slug"))
    for key, followed in _subscriptions().items():
        if message := _wrong_note(followed, latest.get(key)):
            subscription = followed.subscription
            slug = slugs[subscription.account_id]
            yield Breach("subscriptions", slug, f"subscription {subscription.pk}", message)


def _wrong_note(followed: _Followed, granted_at: datetime | None) -> str:
    """What a subscription that last granted credits at ``granted_at`` notes wrongly, else empty."""
    subscription = followed.subscription
    noted = subscription.granted_until
    if granted_at is None:
        return "" if noted is None else f"notes credits until {noted}, but granted none"
    if subscription.begun_at is None:
        return "granted credits, but notes that it has not begun"
    if not is_known(subscription.time_zone):
        return ""
    cycle = subscription.cycle_at(granted_at)
    is_right = noted in (cycle.ends_at, followed.changes_at or cycle.ends_at)
    return "" if is_right else f"notes credits until {noted}, not {cycle.ends_at}"


def _subscriptions() -> Subscriptions:
    subscriptions = list(Subscription.objects.order_by("account_id", "effective_from"))
    return {
        (one.account_id, one.pk): _Followed(
            one,
            following.effective_from
            if following is not None and following.account_id == one.account_id
            else None,
        )
        for one, following in zip_longest(subscriptions, subscriptions[1:])
    }


def _credits_ever_given(subscriptions: Subscriptions) -> dict[int, set[int | None]]:
    """How many credits a cycle the terms of each subscription, by its id, ever gave."""
    of_plan: dict[int, set[int | None]] = defaultdict(set)
    for plan_id, credits in PlanTerms.objects.values_list("plan_id", "credits_per_cycle"):
        of_plan[plan_id].add(credits)
    given = {
        followed.subscription.pk: set(of_plan[followed.subscription.plan_id])
        for followed in subscriptions.values()
    }
    for one, credits in CustomTerms.objects.values_list("subscription_id", "credits_per_cycle"):
        given[one].add(credits)
    return given


INVARIANTS: tuple[Invariant, ...] = (
    plan_credits_have_their_cycle,
    subscriptions_know_what_they_granted,
)
