"""Which billing cycles grant plan credits, how many and when: the one place that decides it.

Everything follows from what has been agreed (`TariffBook`), so that what is said to come is what
`billing.plans.subscriptions.renew` grants, however late it does. Rules: "Where credits come from,
and how long they last", "Plan changes".

- A cycle grants the credits of the terms at its start; where those give none, those of the first
  terms in the course of it that give any. So an operator can put an account on a custom plan first
  and agree the terms afterwards.
- A change of plan begins a cycle. It grants nothing where credits of that plan were granted within
  the month before the change: changing to and fro never adds up.
- Once an account is closed no cycle begins: its subscription has an end.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.ledger.references import CycleNamed
from billing.models import Account, Subscription
from billing.plans.cycles import Cycle, add_months
from billing.plans.tariffs import TariffBook

A_MOMENT = timedelta(microseconds=1)


class CycleCredits(NamedTuple):
    """The plan credits of one cycle; ``at`` is when terms first give them."""

    subscription: Subscription
    cycle: Cycle
    at: datetime
    credits: int


@dataclass(frozen=True, slots=True)
class NextCredits:
    """Plan credits to come, and when."""

    at: datetime
    credits: int


def cycle_credits(book: TariffBook, account_id: int, *, until: datetime) -> Iterator[CycleCredits]:
    """The credits of every cycle of an account that are due by ``until``, oldest cycle first."""
    granted_at: dict[int, datetime] = {}  # by plan: when its latest credits were granted
    for subscription, changes_at in book.subscriptions_of(account_id):
        if subscription.effective_from > until:
            return
        last = until if changes_at is None else min(until, changes_at - A_MOMENT)
        if subscription.ended_at is not None:
            last = min(last, subscription.ended_at)
        plan_id = subscription.plan_id
        for cycle in subscription.cycles(until=last):
            if cycle.number == 0 and granted_lately(subscription, granted_at.get(plan_id)):
                continue
            end = min(last, cycle.ends_at - A_MOMENT)
            if found := _first_credits(book, account_id, cycle.starts_at, end):
                granted_at[plan_id] = found.at
                yield CycleCredits(subscription, cycle, found.at, found.credits)


def granted_lately(subscription: Subscription, granted_at: datetime | None) -> bool:
    """Whether credits of its plan, granted at that time, came within the month before it."""
    if granted_at is None:
        return False
    zone = ZoneInfo(subscription.time_zone)
    return granted_at > add_months(subscription.effective_from, -1, zone)


def granted_within_a_month(
    *, book: TariffBook, account_id: int, at: datetime, zone: ZoneInfo
) -> dict[int, datetime]:
    """When credits of each plan, by its id, were granted, if that was in the month before ``at``.

    A change to such a plan at ``at`` grants none.
    """
    month_before = add_months(at, -1, zone)
    return {
        due.subscription.plan_id: due.at
        for due in cycle_credits(book, account_id, until=at)
        if due.at > month_before
    }


def credits_with_change(*, book: TariffBook, subscription: Subscription) -> int:
    """The plan credits that come with the beginning of ``subscription``, as decided now."""
    begins_at = subscription.effective_from
    due = cycle_credits(book, subscription.account_id, until=begins_at)
    return sum(one.credits for one in due if one.subscription == subscription)


def next_credits(*, book: TariffBook, account_id: int, now: datetime) -> NextCredits | None:
    """What is granted next after ``now``, and when, as plans and terms are decided now.

    What is due by ``now`` counts as granted. None where nothing is to come.
    """
    until = _nothing_new_after(book, account_id, now)
    for due in cycle_credits(book, account_id, until=until):
        if due.at > now:
            return NextCredits(due.at, due.credits)
    return None


def due_times(*, book: TariffBook, account_id: int, after: datetime) -> dict[int, datetime]:
    """When each subscription of an account, by its id, first grants credits ``after`` an instant.

    One that never will, as far as is decided, is left out.
    """
    due: dict[int, datetime] = {}
    until = _nothing_new_after(book, account_id, after)
    for coming in cycle_credits(book, account_id, until=until):
        if coming.at > after:
            due.setdefault(coming.subscription.pk, coming.at)
    return due


def first_not_among(
    granted: Container[CycleNamed], *, book: TariffBook, account_id: int, after: datetime | None
) -> dict[int, datetime]:
    """When each subscription, by its id, first has credits to grant that it has not ``granted``.

    ``after`` is when its account was granted credits last. For the audit, which has no clock.
    """
    due: dict[int, datetime] = {}
    subscriptions = book.subscriptions_of(account_id)
    since = after or subscriptions[0][0].effective_from
    until = _nothing_new_after(book, account_id, since)
    for subscription, cycle, at, _ in cycle_credits(book, account_id, until=until):
        if CycleNamed(subscription.pk, cycle.number) not in granted:
            due.setdefault(subscription.pk, at)
    return due


def cycle_of(*, book: TariffBook, account_id: int, at: datetime) -> Cycle | None:
    """The billing cycle that an account is in at ``at``; None while it has no plan, or is closed.

    A change of plan ends it, also one that is planned. Its credits have their own end all the same.
    """
    agreement = book.find(account_id, at)
    if agreement is None:
        return None
    subscription = agreement.subscription
    if subscription.ended_at is not None and at >= subscription.ended_at:
        return None
    changes_at = dict(book.subscriptions_of(account_id))[subscription]
    cycle = subscription.cycle_at(at)
    ends = [end for end in (cycle.ends_at, changes_at, subscription.ended_at) if end is not None]
    return replace(cycle, ends_at=min(ends))


def current_cycle(*, account: Account, at: datetime) -> Cycle | None:
    """`cycle_of` one account whose plans have not been read."""
    return cycle_of(book=TariffBook([account.pk]), account_id=account.pk, at=at)


def _first_credits(
    book: TariffBook, account_id: int, starts_at: datetime, until: datetime
) -> NextCredits | None:
    """The credits that the first terms give that give any, from ``starts_at`` to ``until``."""
    if credits := _credits_per_cycle(book, account_id, starts_at):
        return NextCredits(starts_at, credits)
    for at in book.changes(account_id, after=starts_at, until=until):
        if credits := _credits_per_cycle(book, account_id, at):
            return NextCredits(at, credits)
    return None


def _nothing_new_after(book: TariffBook, account_id: int, now: datetime) -> datetime:
    """By when the credits to come after ``now`` have shown themselves, if there are any.

    After the last decision one cycle is like the other, so the first of them tells.
    """
    subscriptions = book.subscriptions_of(account_id)
    if not subscriptions:
        return now
    decided_until = max([now, *book.changes(account_id, after=now)])
    latest, _ = subscriptions[-1]
    return latest.cycle_at(decided_until).ends_at


def _credits_per_cycle(book: TariffBook, account_id: int, at: datetime) -> int:
    agreement = book.find(account_id, at)
    return (agreement.terms.credits_per_cycle or 0) if agreement else 0
