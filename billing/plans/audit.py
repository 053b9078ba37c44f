"""What must always be true between the ledger and the plans: billing cycles and their credits.

Functions of the same kind as those of `billing.ledger.audit`, which proves the ledger by itself.
Nothing here writes or repairs.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple, TypeAlias

from django.db import connection

from billing.bulk import read_rows
from billing.ledger import references
from billing.ledger.audit import Breach, Invariant, breaches_among, breaches_of
from billing.ledger.references import CycleNamed
from billing.models import Account, CustomTerms, PlanTerms, Subscription
from billing.plans.granting import first_not_among, granted_lately
from billing.plans.tariffs import TariffBook
from billing.zones import is_known

Subscriptions: TypeAlias = dict[tuple[int, int], Subscription]  # by account and subscription id
Found: TypeAlias = tuple[int, str, str]  # account id, subject and message


class _Granted(NamedTuple):
    """Plan credits: their entry, and until when their grant can be used."""

    account_id: int
    seq: int
    reference: str
    credits: int
    occurred_at: datetime
    expires_at: datetime | None

    @property
    def cycle(self) -> CycleNamed | None:
        """The cycle that their reference names; None where it names none."""
        return references.cycle_in(self.reference)


_GRANTED = """
    SELECT entry.account_id, entry.seq, entry.reference, entry.credits, entry.occurred_at,
           granted.expires_at
      FROM billing_ledgerentry entry
      LEFT JOIN billing_creditgrant granted USING (account_id, seq)
     WHERE entry.kind = 'plan_credits'
     ORDER BY entry.occurred_at, entry.id
"""


def plan_credits_have_their_cycle() -> Iterator[Breach]:
    """Plan credits are those of a billing cycle of the account's subscription: granted at its
    start, as many as its terms ever gave, until its end, whatever became of the plan since."""
    yield from breaches_among("plan credits", _without_their_cycle())


def _without_their_cycle() -> Iterator[Found]:
    subscriptions = _subscriptions()
    given = _credits_ever_given(subscriptions)
    for granted in _granted():
        if message := _wrong_with(granted, subscriptions, given):
            yield granted.account_id, f"entry {granted.seq} ({granted.reference})", message


def _wrong_with(
    granted: _Granted, subscriptions: Subscriptions, given: Mapping[int, AbstractSet[int | None]]
) -> str:
    """What is wrong with plan credits; empty where nothing is."""
    named = granted.cycle
    subscription = named and subscriptions.get((granted.account_id, named.subscription_id))
    if not named or not subscription:
        return "belongs to no subscription of the account"
    if not is_known(subscription.time_zone):
        return f"is of a subscription in the unknown time zone “{subscription.time_zone}”"
    cycle = subscription.cycle_at(granted.occurred_at)
    if (cycle.number, cycle.starts_at) != (named.number, granted.occurred_at):
        return f"is not at the start of cycle {named.number} of its subscription"
    if granted.credits not in given[subscription.pk]:
        return f"adds {granted.credits} credits, which no terms of its subscription give"
    if granted.expires_at == cycle.ends_at:
        return ""
    return f"can be used until {granted.expires_at}, but ends at {cycle.ends_at}"


def changes_of_plan_grant_once_a_month() -> Iterator[Breach]:
    """The first credits after a change to a plan do not come within a month of others of it."""
    yield from breaches_among("plan credits", _granted_again())


def _granted_again() -> Iterator[Found]:
    subscriptions = _subscriptions()
    granted: dict[tuple[int, int], list[datetime]] = defaultdict(list)  # by account and plan
    for account_id, named, occurred_at in _cycles_granted():
        subscription = subscriptions.get((account_id, named.subscription_id))
        if subscription is None or not is_known(subscription.time_zone):
            continue
        before = granted[account_id, subscription.plan_id]
        if named.number == 0 and granted_lately(subscription, before[-1] if before else None):
            message = f"granted credits at {occurred_at}, within a month of those at {before[-1]}"
            yield account_id, f"subscription {subscription.pk}", message
        before.append(occurred_at)


def subscriptions_are_due_in_time() -> Iterator[Breach]:
    """A subscription that has credits to grant, or has not begun, is looked at no later than that:
    what it notes is all that is looked for, so a wrong note would cost a cycle."""
    yield from breaches_among("subscriptions", _looked_at_too_late())


def _looked_at_too_late() -> Iterator[Found]:
    granted: dict[int, dict[CycleNamed, datetime]] = defaultdict(dict)
    for account_id, named, occurred_at in _cycles_granted():
        granted[account_id][named] = occurred_at
    book = TariffBook(Account.objects.values_list("pk", flat=True))
    for account_id in sorted(book.subscribed):
        if not all(is_known(one.time_zone) for one, _ in book.subscriptions_of(account_id)):
            continue
        booked = granted[account_id]
        latest = max(booked.values(), default=None)
        owed = first_not_among(booked, book=book, account_id=account_id, after=latest)
        for subscription, _ in book.subscriptions_of(account_id):
            if message := _wrong_note(subscription, owed.get(subscription.pk), booked):
                yield account_id, f"subscription {subscription.pk}", message


def _wrong_note(
    subscription: Subscription, owed_at: datetime | None, booked: Mapping[CycleNamed, datetime]
) -> str:
    """What a subscription notes wrongly that next has credits to grant at ``owed_at``."""
    noted = subscription.due_at
    if subscription.begun_at is None:
        if any(named.subscription_id == subscription.pk for named in booked):
            return "granted credits, but notes that it has not begun"
        owed_at = subscription.effective_from
    if owed_at is None or (noted is not None and noted <= owed_at):
        return ""
    return f"is to be looked at by {owed_at}, but notes {noted}"


def subscriptions_end_with_their_account() -> Iterator[Breach]:
    """The latest subscription of a closed account ended when it was closed; that of an open one has
    no end. So no cycle begins and no call is taken while an account is closed, and only then."""
    return breaches_of(
        "closing",
        """
        SELECT account.id, format('subscription %s', latest.id),
               format('ended at %s, but the account was closed at %s',
                      coalesce(latest.ended_at::text, 'no time'),
                      coalesce(account.closed_at::text, 'no time'))
          FROM billing_account account
          JOIN LATERAL (SELECT id, ended_at FROM billing_subscription own
                         WHERE own.account_id = account.id
                         ORDER BY effective_from DESC LIMIT 1) latest ON true
         WHERE latest.ended_at IS DISTINCT FROM account.closed_at
        """,
    )


def _granted() -> list[_Granted]:
    """All plan credits, in the order of time."""
    with connection.cursor() as cursor:
        cursor.execute(_GRANTED)
        return read_rows(cursor, _Granted)


def _cycles_granted() -> Iterator[tuple[int, CycleNamed, datetime]]:
    """Each cycle whose credits the ledger has, with its account and when they were granted."""
    for granted in _granted():
        if named := granted.cycle:
            yield granted.account_id, named, granted.occurred_at


def _subscriptions() -> Subscriptions:
    return {(one.account_id, one.pk): one for one in Subscription.objects.all()}


def _credits_ever_given(subscriptions: Subscriptions) -> dict[int, set[int | None]]:
    """How many credits a cycle the terms of each subscription, by its id, ever gave."""
    of_plan: dict[int, set[int | None]] = defaultdict(set)
    for plan_id, credits in PlanTerms.objects.values_list("plan_id", "credits_per_cycle"):
        of_plan[plan_id].add(credits)
    given = {one.pk: set(of_plan[one.plan_id]) for one in subscriptions.values()}
    for subscription_id, credits in CustomTerms.objects.values_list(
        "subscription_id", "credits_per_cycle"
    ):
        given[subscription_id].add(credits)
    return given


INVARIANTS: tuple[Invariant, ...] = (
    plan_credits_have_their_cycle,
    changes_of_plan_grant_once_a_month,
    subscriptions_are_due_in_time,
    subscriptions_end_with_their_account,
)
