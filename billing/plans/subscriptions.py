"""Subscriptions: which plan an account is on, and the plan credits of each billing cycle.

A cycle is a month from the subscription's start, in the zone that the account had then. Changing
the plan starts a new cycle and ends the one before: what is left of its plan credits expires, as
at any cycle's end. From when the change is planned, they are credits that expire then: whose end is
known is warned of, and used first.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from billing import ledger
from billing.ledger import NewGrant, Posting, references
from billing.models import (
    Account,
    CreditGrant,
    CustomTerms,
    GrantSource,
    Kind,
    LedgerEntry,
    Plan,
    Subscription,
)
from billing.plans.cycles import Cycle
from billing.plans.tariffs import TariffBook
from billing.refusals import Refusal
from billing.zones import local

A_MOMENT = timedelta(microseconds=1)
NOT_PLANNED = "That change of plan is not planned any more."


@dataclass(frozen=True, slots=True)
class NextCredits:
    """Plan credits to come, and when."""

    at: datetime
    credits: int


class SubscriptionError(Refusal):
    """A subscription that can't be."""


def subscribe(
    *,
    account: Account,
    plan: Plan,
    at: datetime,
    now: datetime | None = None,
    custom_terms: CustomTerms | None = None,
) -> Subscription:
    """Put ``account`` on ``plan`` from ``at`` on, and grant the credits of cycles begun by ``now``.

    ``now`` is ``at`` where it isn't given; when ``at`` is later than ``now``, the change is planned
    and `renew` grants its credits when their time comes. ``custom_terms`` (unsaved, without
    subscription) replace the plan's own terms from ``at`` on.
    History stays: raises SubscriptionError where ``at`` is not after the account's latest change,
    and where that change was to the same plan, so that asking twice grants no credits twice.
    """
    with transaction.atomic():
        ledger.lock_accounts([account.pk])
        latest = account.subscriptions.first()
        if latest is not None and at <= latest.effective_from:
            if now is not None and latest.effective_from > now:
                raise SubscriptionError(
                    f"A change to {latest.plan} is planned for {_moment(latest)}: cancel it first, "
                    "or choose a later time."
                )
            raise SubscriptionError(
                f"The account changed its plan on {_moment(latest)}; "
                "a change before that would rewrite its history."
            )
        if latest is not None and latest.plan == plan:
            hint = " Its terms can be changed without that." if custom_terms is not None else ""
            if latest.effective_from > (now or at):
                raise SubscriptionError(
                    f"A change to {plan} is planned for {_moment(latest)} already.{hint}"
                )
            raise SubscriptionError(
                f"The account is on {plan} already, from {_moment(latest)}.{hint}"
            )
        if account.grants.filter(source=GrantSource.PLAN, granted_at__gte=at).exists():
            raise SubscriptionError(
                "Plan credits were granted since then; a change before that would rewrite history."
            )
        subscription = Subscription.objects.create(
            account=account, plan=plan, effective_from=at, time_zone=account.time_zone
        )
        if custom_terms is not None:
            custom_terms.subscription = subscription
            custom_terms.effective_from = at
            custom_terms.save()
        renew(account=account, now=now or at)
    return subscription


def cancel_planned_change(*, subscription: Subscription, now: datetime) -> None:
    """Delete a ``subscription`` that has not begun: the credits before it last as without it.

    Raises SubscriptionError where it has begun or is cancelled already, where a clock ahead has
    expired credits for it, and where the one that follows would then lead from a plan to itself.
    """
    with transaction.atomic():
        ledger.lock_accounts([subscription.account_id])
        stored = _history_of(subscription.account_id).filter(pk=subscription.pk).first()
        if stored is None:
            raise SubscriptionError(NOT_PLANNED)
        expired = LedgerEntry.objects.filter(
            account=stored.account, kind=Kind.EXPIRY, occurred_at=stored.effective_from
        )
        if stored.begun_at is not None or stored.effective_from <= now or expired.exists():
            raise SubscriptionError(
                f"The account is on {stored.plan} since {_moment(stored)}: change its plan instead."
            )
        others = _history_of(subscription.account_id)
        before = others.filter(effective_from__lt=stored.effective_from).first()
        after = others.filter(effective_from__gt=stored.effective_from).last()
        if before and after and before.plan_id == after.plan_id:
            raise SubscriptionError(
                f"A change back to {after.plan} is planned for {_moment(after)}: cancel that first."
            )
        stored.delete()
        renew(account=stored.account, now=now)


def _history_of(account_id: int) -> QuerySet[Subscription]:
    """The subscriptions of an account, planned ones too, with their plans; latest first."""
    return Subscription.objects.filter(account_id=account_id).select_related("account", "plan")


def renew(*, account: Account, now: datetime) -> int:
    """Grant the plan credits of every cycle begun by ``now`` that lacks them; return how many.

    Missed cycles are granted in order, each expiring at its own end, and what is left of expired
    ones is expired. Credits granted before end when `credits_end_at` says, as it is decided now.
    Safe to repeat: a cycle's grant has a reference of its own.
    """
    granted = 0
    with transaction.atomic():
        ledger.lock_accounts([account.pk])
        already = set(
            CreditGrant.objects.filter(account=account, source=GrantSource.PLAN).values_list(
                "reference", flat=True
            )
        )
        book = TariffBook([account.pk])
        begun = list(_begun(book, account.pk, now))
        ends = {
            _reference(subscription, cycle): credits_end_at(cycle, changes_at=changes_at)
            for subscription, changes_at, cycles in begun
            for cycle in cycles
        }
        ledger.end_grants(account=account, ends={one: ends[one] for one in already & ends.keys()})
        for subscription, _, cycles in begun:
            for cycle in cycles:
                reference = _reference(subscription, cycle)
                if reference not in already:
                    until = min(now, ends[reference] - A_MOMENT)
                    credits = credits_of(book, account.pk, cycle, until)
                    if not credits:
                        continue
                    plan = book.at(account.pk, cycle.starts_at).plan
                    posting = Posting(
                        account_id=account.pk,
                        kind=Kind.PLAN_CREDITS,
                        credits=credits,
                        reference=reference,
                        occurred_at=cycle.starts_at,
                        remarks=f"{plan}: {credits:,} credits of the cycle that began "
                        f"on {cycle.starts_at.astimezone(account.zone):%-d %b %Y}",
                        grant=NewGrant(GrantSource.PLAN, ends[reference]),
                    )
                    granted += ledger.post_one(posting=posting, posted_at=now)
                subscription.granted_until = cycle.ends_at
            subscription.begun_at = subscription.begun_at or now
            subscription.save(update_fields=["begun_at", "granted_until"])
        ledger.expire(account_ids=[account.pk], at=now)
    return granted


def credits_end_at(cycle: Cycle, *, changes_at: datetime | None) -> datetime:
    """When the credits of ``cycle`` expire: with it, or with the next change of plan before.

    ``changes_at`` is when the subscription that follows begins, also while it is only planned.
    """
    return cycle.ends_at if changes_at is None else min(cycle.ends_at, changes_at)


def _begun(
    book: TariffBook, account_id: int, now: datetime
) -> Iterator[tuple[Subscription, datetime | None, list[Cycle]]]:
    """Each subscription that has begun, when the next one begins, and its cycles begun so far."""
    for subscription, changes_at in book.subscriptions_of(account_id):
        if subscription.effective_from > now:
            return
        until = now if changes_at is None else min(now, changes_at - A_MOMENT)
        yield subscription, changes_at, list(subscription.cycles(until=until))


def renew_due(*, book: TariffBook, now: datetime) -> None:
    """`renew` those accounts of ``book`` that are due.

    So that what is used next uses the new cycle's credits first, also when beat is late.
    """
    for account in Account.objects.filter(pk__in=due_for_renewal(book=book, now=now)):
        renew(account=account, now=now)


def due_for_renewal(*, book: TariffBook, now: datetime) -> list[int]:
    """The ids of the accounts of ``book`` for which `renew` has something to do at ``now``."""
    return sorted(
        account_id
        for account_id in book.subscribed
        if (subscription := book.subscription_at(account_id, now))
        and _is_due(book, subscription, now)
    )


def _is_due(book: TariffBook, subscription: Subscription, now: datetime) -> bool:
    """Whether it has not begun yet, or a cycle after the latest that granted credits may.

    A plan that grants none, as a custom one may, is not due by that.
    """
    if subscription.begun_at is None:
        return True
    since = subscription.granted_until or subscription.effective_from
    if since > now:
        return False
    account_id = subscription.account_id
    changes = (since, *book.changes(account_id, after=since, until=now))
    return any(_credits_per_cycle(book, account_id, at) for at in changes)


def next_credits(*, book: TariffBook, account_id: int, now: datetime) -> NextCredits | None:
    """What `renew` grants next after ``now``, and when, as plans and terms are decided now.

    What is due by ``now`` counts as granted. None where nothing is to come.
    """
    for at in _chances_to_grant(book, account_id, now):
        if credits := _credits_per_cycle(book, account_id, at):
            return NextCredits(at, credits)
    return None


def _chances_to_grant(book: TariffBook, account_id: int, now: datetime) -> Iterator[datetime]:
    """When a cycle that has no credits by ``now`` begins, or meets other terms, in order."""
    for subscription, changes_at in book.subscriptions_of(account_id):
        if changes_at is not None and changes_at <= now:
            continue
        decided_until = max([now, *book.changes(account_id, after=now)])
        # After the last decision one cycle is like the other: the first of them tells.
        for cycle in subscription.cycles(until=subscription.cycle_at(decided_until).ends_at):
            ends_at = credits_end_at(cycle, changes_at=changes_at)
            if ends_at <= now or _has_credits(book, subscription, cycle, now):
                continue
            until = ends_at - A_MOMENT
            chances = (
                cycle.starts_at,
                *book.changes(account_id, after=cycle.starts_at, until=until),
            )
            yield from (at for at in chances if now < at <= until)


def _has_credits(book: TariffBook, subscription: Subscription, cycle: Cycle, now: datetime) -> bool:
    """Whether a cycle was granted its credits by ``now``, or is due to be."""
    if cycle.starts_at > now:
        return False
    granted_until = subscription.granted_until
    if granted_until is not None and cycle.ends_at <= granted_until:
        return True
    return bool(credits_of(book, subscription.account_id, cycle, now))


def cycle_of(*, book: TariffBook, account_id: int, at: datetime) -> Cycle | None:
    """The billing cycle that an account is in at ``at``; None while it has no plan.

    A change of plan ends it, also one that is planned.
    """
    agreement = book.find(account_id, at)
    if agreement is None:
        return None
    subscription = agreement.subscription
    changes_at = dict(book.subscriptions_of(account_id))[subscription]
    cycle = subscription.cycle_at(at)
    return replace(cycle, ends_at=credits_end_at(cycle, changes_at=changes_at))


def current_cycle(*, account: Account, at: datetime) -> Cycle | None:
    """`cycle_of` one account whose plans have not been read."""
    return cycle_of(book=TariffBook([account.pk]), account_id=account.pk, at=at)


def _moment(subscription: Subscription) -> str:
    """When it begins, as people of its account say it."""
    return local(subscription.effective_from, subscription.account.zone)


def _reference(subscription: Subscription, cycle: Cycle) -> str:
    """What names the plan credits of a cycle in the ledger."""
    return references.of_plan_credits(subscription.pk, cycle.number)


def credits_of(book: TariffBook, account_id: int, cycle: Cycle, until: datetime) -> int:
    """What the cycle grants: by the terms at its start, else by those in force at ``until``.

    The second half lets an operator put an account on a custom plan first and enter the terms
    afterwards, without the account waiting a month for its credits.
    """
    return _credits_per_cycle(book, account_id, cycle.starts_at) or _credits_per_cycle(
        book, account_id, until
    )


def _credits_per_cycle(book: TariffBook, account_id: int, at: datetime) -> int:
    agreement = book.find(account_id, at)
    return (agreement.terms.credits_per_cycle or 0) if agreement else 0
