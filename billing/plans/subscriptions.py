"""Subscriptions: which plan an account is on, and the plan credits of each billing cycle.

A cycle is a month from the subscription's start, in the zone that the account had then. Changing
the plan starts a new cycle. Plan credits that are left stay until the end of the cycle that they
were granted for, beside the new plan's: a grant's end never moves.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Least

from billing import ledger
from billing.activity import ActivityKind, changed, gone, note
from billing.bulk import among, as_array
from billing.ledger import NewGrant, Posting, references
from billing.models import (
    Account,
    CustomTerms,
    GrantSource,
    Kind,
    Plan,
    Subscription,
)
from billing.models.ledger import USAGE_KINDS
from billing.plans.closed import hold_open
from billing.plans.granting import cycle_credits, due_times
from billing.plans.tariffs import TariffBook
from billing.plans.terms_facts import terms_changed
from billing.refusals import Refusal
from billing.zones import local

NOT_PLANNED = "That change of plan is not planned any more."


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
    and `renew` grants its credits when their time comes. The first cycle after a change grants
    none where credits of ``plan`` were granted within the month before (`billing.plans.granting`).
    ``custom_terms`` (unsaved, without subscription) replace the plan's own terms from ``at`` on.
    History stays: raises SubscriptionError where ``at`` is not after the account's latest change,
    and where that change was to the same plan, so that asking twice grants no credits twice; unless
    that one has ended. Raises AccountClosedError while the account is closed.
    """
    with transaction.atomic():
        hold_open(account.pk)
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
        if latest is not None and latest.plan == plan and latest.ended_at is None:
            hint = " Its terms can be changed without that." if custom_terms is not None else ""
            if latest.effective_from > (now or at):
                raise SubscriptionError(
                    f"A change to {plan} is planned for {_moment(latest)} already.{hint}"
                )
            raise SubscriptionError(
                f"The account is on {plan} already, from {_moment(latest)}.{hint}"
            )
        earlier_calls = account.entries.filter(kind__in=USAGE_KINDS, occurred_at__gte=at)
        if latest is None and earlier_calls.exists():
            raise SubscriptionError(
                "Calls since then were recorded without a charge; a beginning before them would "
                "rewrite history."
            )
        if account.grants.filter(source=GrantSource.PLAN, granted_at__gte=at).exists():
            raise SubscriptionError(
                "Plan credits were granted since then; a change before that would rewrite history."
            )
        subscription = Subscription.objects.create(
            account=account,
            plan=plan,
            effective_from=at,
            time_zone=account.time_zone,
            due_at=at,
        )
        if custom_terms is not None:
            custom_terms.subscription = subscription
            custom_terms.effective_from = at
            custom_terms.save()
        note(
            ActivityKind.PLAN_CHANGED,
            account=account,
            subject=plan.name,
            changes={
                **changed({"plan": latest and latest.plan.name}, {"plan": plan.name}),
                "effective_from": (None, at),
                **terms_changed(None, custom_terms),
            },
        )
        renew(account=account, now=now or at)
    return subscription


def cancel_planned_change(*, subscription: Subscription, now: datetime) -> None:
    """Delete a ``subscription`` that has not begun: the account stays on the plan before it.

    Raises SubscriptionError where it has begun (also by a clock ahead) or is cancelled already, and
    where the one that follows would then lead from a plan to itself.
    """
    with transaction.atomic():
        ledger.lock_accounts([subscription.account_id])
        stored = _history_of(subscription.account_id).filter(pk=subscription.pk).first()
        if stored is None:
            raise SubscriptionError(NOT_PLANNED)
        if stored.begun_at is not None or stored.effective_from <= now:
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
        note(
            ActivityKind.PLAN_CHANGE_CANCELLED,
            account=stored.account,
            subject=stored.plan.name,
            changes=gone(plan=stored.plan.name, effective_from=stored.effective_from),
        )
        stored.delete()
        renew(account=stored.account, now=now)


def end(*, account: Account, now: datetime) -> list[Subscription]:
    """End the account's subscription ``now``, and cancel the changes that are planned after it.

    Cycles that began by now are granted first; none begins later. Returns the planned changes.
    Raises SubscriptionError where one has begun by a clock that is ahead.
    """
    with transaction.atomic():
        ledger.lock_accounts([account.pk])
        renew(account=account, now=now)
        planned = list(_history_of(account.pk).filter(effective_from__gt=now))
        for subscription in planned:
            if subscription.begun_at is not None:
                raise SubscriptionError(
                    f"A change to {subscription.plan} has just begun. Try again in a minute."
                )
            note(
                ActivityKind.PLAN_CHANGE_CANCELLED,
                account=account,
                subject=subscription.plan.name,
                changes=gone(
                    plan=subscription.plan.name, effective_from=subscription.effective_from
                ),
            )
            subscription.delete()
        latest = _history_of(account.pk).first()
        if latest is not None:
            latest.ended_at = now
            latest.save(update_fields=["ended_at"])
            renew(account=account, now=now)
    return planned


def _history_of(account_id: int) -> QuerySet[Subscription]:
    """The subscriptions of an account, planned ones too, with their plans; latest first."""
    return Subscription.objects.filter(account_id=account_id).select_related("account", "plan")


def renew(*, account: Account, now: datetime) -> int:
    """Grant the plan credits of every cycle begun by ``now`` that lacks them; return how many.

    Missed cycles are granted in order, each expiring at its own end, and what is left of expired
    ones is expired. Which cycles grant what is `billing.plans.granting`. Safe to repeat: a cycle's
    grant has a reference of its own.
    """
    with transaction.atomic():
        ledger.lock_accounts([account.pk])
        # Whoever changes terms marks these rows: either they wait, or their terms are read here.
        own = Subscription.objects.select_for_update(no_key=True).filter(account=account)
        stored = list(own.order_by("pk"))
        book = TariffBook([account.pk])
        granted = _grant(book, account, now)
        ledger.expire(account_ids=[account.pk], at=now)
        _note_due(book, account.pk, stored, now)
    return granted


def _grant(book: TariffBook, account: Account, now: datetime) -> int:
    """Book the plan credits that are due and not booked yet; return of how many cycles."""
    granted = 0
    booked = set(account.entries.filter(kind=Kind.PLAN_CREDITS).values_list("reference", flat=True))
    for subscription, cycle, _, credits in cycle_credits(book, account.pk, until=now):
        reference = references.of_plan_credits(subscription.pk, cycle.number)
        if reference in booked:
            continue
        posting = Posting(
            account_id=account.pk,
            kind=Kind.PLAN_CREDITS,
            credits=credits,
            reference=reference,
            occurred_at=cycle.starts_at,
            plan_name=book.at(account.pk, cycle.starts_at).plan.name,
            grant=NewGrant(GrantSource.PLAN, cycle.ends_at),
        )
        granted += ledger.post_one(posting=posting, posted_at=now)
    return granted


def _note_due(
    book: TariffBook, account_id: int, stored: Sequence[Subscription], now: datetime
) -> None:
    """Note of each subscription when it next needs `renew`. Their rows are locked."""
    due = due_times(book=book, account_id=account_id, after=now)
    for subscription in stored:
        noted = (subscription.begun_at, subscription.due_at)
        if subscription.effective_from > now and subscription.begun_at is None:
            subscription.due_at = subscription.effective_from
        else:
            subscription.begun_at = subscription.begun_at or now
            subscription.due_at = due.get(subscription.pk)
        if noted != (subscription.begun_at, subscription.due_at):
            subscription.save(update_fields=["begun_at", "due_at"])


def due_for_renewal(*, now: datetime, account_ids: Collection[int] | None = None) -> list[int]:
    """The ids of the accounts for which `renew` may have something to do at ``now``.

    Among ``account_ids``, where they are given. One query, by the index of what is due.
    """
    among_them = "" if account_ids is None else "AND account_id = ANY(%s::bigint[])"
    parameters: list[datetime | str] = (
        [now] if account_ids is None else [now, as_array(account_ids)]
    )
    # A bare statement: every movement from outside asks this.
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT account_id FROM billing_subscription WHERE due_at <= %s {among_them}"
            " ORDER BY account_id",
            parameters,
        )
        return [account_id for (account_id,) in cursor.fetchall()]


def mark_due(subscriptions: QuerySet[Subscription], *, at: datetime) -> None:
    """Have `renew` look at ``subscriptions`` at ``at``, if it wouldn't before: from then on other
    terms may give other credits."""
    with transaction.atomic():
        # In the order in which `renew` locks those of one account.
        locked = subscriptions.select_for_update(no_key=True, of=("self",)).order_by("pk")
        ids = list(locked.values_list("pk", flat=True))
        marked = Subscription.objects.filter(pk__in=among(ids))
        marked.update(due_at=Least("due_at", Value(at)))  # PostgreSQL's LEAST ignores nulls


def _moment(subscription: Subscription) -> str:
    """When it begins, as people of its account say it."""
    return local(subscription.effective_from, subscription.account.zone)
