"""Changing what plans cost: always new terms from an instant on, never a change of what has been.

Terms that have begun are facts: calls were charged by them. Only terms still to come can be
amended or withdrawn. Rule: "How credits are consumed", 4.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing import ledger
from billing.activity import ActivityKind, Changes, gone, note
from billing.models import Account, CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.plans.rating import Charge, Tariff, UsageType, rate
from billing.plans.subscriptions import NOT_PLANNED, mark_due, renew
from billing.plans.tariffs import TariffBook, in_force
from billing.plans.terms_facts import terms_changed
from billing.refusals import Refusal
from billing.zones import local

# Somebody who types the present minute means now, although it has gone by when the form arrives.
JUST_NOW = timedelta(minutes=5)
AHEAD_YEARS_MAX = 5

TYPICAL_CALLS = {
    "20 s": timedelta(seconds=20),
    "65 s": timedelta(seconds=65),
    "5 min": timedelta(minutes=5),
}

ACCOUNTS_NAMED_MAX = 5

AnyTerms = TypeVar("AnyTerms", bound=Terms)


class TermsError(Refusal):
    """Terms that can't be."""


class PlanInUseError(Refusal):
    """The plan can't be deleted: the message names the accounts that are or were on it."""


@dataclass(frozen=True, slots=True)
class TypicalCharge:
    """What a connected call costs that is as long as ``name`` says."""

    name: str
    charge: Charge


def typical_charges(tariff: Tariff) -> list[TypicalCharge]:
    """What each of the TYPICAL_CALLS costs under ``tariff``."""
    started_at = datetime(2000, 1, 1, tzinfo=UTC)
    return [
        TypicalCharge(
            name,
            rate(
                tariff=tariff,
                usage_type=UsageType.OUTBOUND,
                started_at=started_at,
                connected_at=started_at,
                ended_at=started_at + length,
            ),
        )
        for name, length in TYPICAL_CALLS.items()
    ]


def effective_instant(
    asked: datetime | None,
    *,
    now: datetime,
    taken: Container[datetime] = (),
    zone: tzinfo = UTC,
) -> datetime:
    """When a change takes effect that was asked for ``asked``: None or just gone by means ``now``.

    Raises TermsError where that is past, more than five years ahead, or one of the instants
    ``taken`` by other terms, which is said in ``zone``.
    """
    if asked is None or now - JUST_NOW <= asked <= now:
        return now
    if asked < now:
        raise TermsError(
            "This is in the past, and what was in force then stays as it was. "
            "Leave it empty for now, or choose a later time.",
            field="effective_from",
        )
    if asked > now + timedelta(days=366 * AHEAD_YEARS_MAX):
        raise TermsError(
            f"This is more than {AHEAD_YEARS_MAX} years ahead. Is the year right?",
            field="effective_from",
        )
    if asked in taken:
        raise _taken(asked, zone)
    return asked


def change_terms(
    *, plan: Plan, terms: PlanTerms, effective_from: datetime | None, now: datetime
) -> PlanTerms:
    """Give ``plan`` new ``terms`` (unsaved) from ``effective_from`` on; None means ``now``.

    Charges already made stay, because each is frozen with its tariff; calls that start later are
    rated by the new terms. Raises TermsError where `effective_instant` does, and ValidationError
    where a number is out of range.
    """
    terms.plan = plan
    begins = effective_instant(effective_from, now=now, taken=instants(plan.terms.all()))
    with transaction.atomic():
        before = in_force(list(plan.terms.order_by("effective_from")), begins)
        stored = _store(terms, begins)
        mark_due(_subscriptions_under(terms), at=begins)
        note(
            ActivityKind.PLAN_TERMS_ADDED,
            account=None,
            subject=plan.name,
            changes={**terms_changed(before, stored), "effective_from": (None, begins)},
        )
    return stored


def agree_terms(
    *,
    subscription: Subscription,
    terms: CustomTerms,
    effective_from: datetime | None,
    now: datetime,
) -> CustomTerms:
    """Give one account's ``subscription`` its own ``terms`` (unsaved), as `change_terms` does.

    They do not begin before the subscription does, which may be a planned one. A cycle that has
    begun without credits is granted those of the new terms. Raises TermsError also where a later
    subscription has replaced this one.
    """
    account = subscription.account
    with transaction.atomic():
        ledger.lock_accounts([account.pk])
        _agree(subscription, terms, effective_from, now)
        renew(account=account, now=now)
    return terms


def _agree(
    subscription: Subscription, terms: CustomTerms, effective_from: datetime | None, now: datetime
) -> None:
    account = subscription.account
    if not account.subscriptions.filter(pk=subscription.pk).exists():
        raise TermsError(NOT_PLANNED)
    later = account.subscriptions.filter(effective_from__gt=subscription.effective_from)
    if later.filter(effective_from__lte=now).exists():
        raise TermsError("The account has left this plan: agree terms for the plan it is on.")
    taken = instants(subscription.custom_terms.all())
    begins = effective_instant(effective_from, now=now, taken=taken, zone=account.zone)
    ending = later.filter(effective_from__lte=begins).order_by("effective_from").first()
    if ending is not None:
        raise TermsError(
            f"The account changes to {ending.plan} on "
            f"{local(ending.effective_from, account.zone)}, so "
            "these terms would never hold. Cancel that change first, or let them begin before it."
        )
    agreed = TariffBook([account.pk]).find(account.pk, max(begins, subscription.effective_from))
    terms.subscription = subscription
    stored = _store(terms, begins)
    note(
        ActivityKind.TERMS_AGREED,
        account=account,
        subject=subscription.plan.name,
        changes={
            **terms_changed(agreed and agreed.terms, stored),
            "effective_from": (None, stored.effective_from),
        },
    )


def amend_terms(*, terms: AnyTerms, effective_from: datetime | None, now: datetime) -> AnyTerms:
    """Store the changed numbers of ``terms`` that are still to come. Raises TermsError."""
    with transaction.atomic():
        before = _locked_to_come(terms, now)
        planned_for = before.effective_from
        taken = instants(others_of(terms))
        begins = effective_instant(effective_from, now=now, taken=taken, zone=_zone_of(terms))
        stored = _store(terms, begins)
        mark_due(_subscriptions_under(terms), at=min(planned_for, stored.effective_from))
        moved = {"effective_from": (planned_for, stored.effective_from)}
        numbers = terms_changed(before, stored)
        _note(
            stored,
            {**numbers, **(moved if planned_for != stored.effective_from else {})},
            of_plan=ActivityKind.PLAN_TERMS_AMENDED,
            of_account=ActivityKind.TERMS_AMENDED,
        )
        return stored


def withdraw_terms(*, terms: Terms, now: datetime) -> None:
    """Delete ``terms`` that are still to come. Raises TermsError where they have begun."""
    with transaction.atomic():
        stored = _locked_to_come(terms, now)
        mark_due(_subscriptions_under(stored), at=stored.effective_from)
        _note(
            stored,
            {**terms_changed(stored, None), **gone(effective_from=stored.effective_from)},
            of_plan=ActivityKind.PLAN_TERMS_WITHDRAWN,
            of_account=ActivityKind.TERMS_WITHDRAWN,
        )
        stored.delete()


def _note(
    terms: Terms, changes: Changes, *, of_plan: ActivityKind, of_account: ActivityKind
) -> None:
    """Note what was done to planned terms, where it changed anything."""
    if not changes:
        return
    if isinstance(terms, CustomTerms):
        subscription = terms.subscription
        subject = subscription.plan.name
        note(of_account, account=subscription.account_id, subject=subject, changes=changes)
    else:
        assert isinstance(terms, PlanTerms)
        note(of_plan, account=None, subject=terms.plan.name, changes=changes)


def _subscriptions_under(terms: Terms) -> QuerySet[Subscription]:
    """The subscriptions that ``terms`` may give credits to: those that last until they begin."""
    if isinstance(terms, CustomTerms):
        return Subscription.objects.filter(pk=terms.subscription_id)
    assert isinstance(terms, PlanTerms)
    following = Subscription.objects.filter(
        account=OuterRef("account"),
        effective_from__gt=OuterRef("effective_from"),
        effective_from__lte=terms.effective_from,
    )
    return Subscription.objects.filter(~Exists(following), plan=terms.plan_id)


def others_of(terms: Terms) -> QuerySet:
    """The other terms of the same plan or subscription."""
    if isinstance(terms, PlanTerms):
        return terms.plan.terms.exclude(pk=terms.pk)
    assert isinstance(terms, CustomTerms)
    return terms.subscription.custom_terms.exclude(pk=terms.pk)


def _zone_of(terms: Terms) -> tzinfo:
    """The zone in which people speak of ``terms``: the account's; UTC for those of a plan."""
    return terms.subscription.account.zone if isinstance(terms, CustomTerms) else UTC


def instants(terms: QuerySet) -> set[datetime]:
    """When each of ``terms`` begins."""
    return set(terms.values_list("effective_from", flat=True))


def delete_plan(*, plan: Plan) -> None:
    """Delete a plan that no account is, was or will be on, or asked for. Raises PlanInUseError."""
    with transaction.atomic():
        if reason := why_in_use(plan):
            raise PlanInUseError(reason)
        note(ActivityKind.PLAN_DELETED, account=None, subject=plan.name)
        plan.delete()


def why_in_use(plan: Plan) -> str:
    """Why ``plan`` can't be deleted, in words; "" where it can."""
    used = Q(subscriptions__plan=plan) | Q(plan_requests__plan=plan)
    accounts = Account.objects.filter(used).distinct()
    names = [account.name for account in accounts[: ACCOUNTS_NAMED_MAX + 1]]
    if not names:
        return ""
    named = ", ".join(names[:ACCOUNTS_NAMED_MAX])
    if len(names) > ACCOUNTS_NAMED_MAX:
        named += f" and {accounts.count() - ACCOUNTS_NAMED_MAX:,} more"
    return (
        f"{plan} can’t be deleted, because the history of these accounts refers to it: {named}. "
        "Make it inactive instead: it stays with them and is no longer offered."
    )


def _store(terms: AnyTerms, effective_from: datetime) -> AnyTerms:
    if isinstance(terms, CustomTerms):
        effective_from = max(effective_from, terms.subscription.effective_from)
    terms.effective_from = effective_from
    terms.clean_fields()
    try:
        with transaction.atomic():
            terms.save()
    except IntegrityError as error:
        raise _taken(effective_from, _zone_of(terms)) from error
    return terms


def _taken(instant: datetime, zone: tzinfo) -> TermsError:
    return TermsError(
        f"Other terms begin at exactly {local(instant, zone)} already. "
        "Amend those, or choose another time.",
        field="effective_from",
    )


def _locked_to_come(terms: Terms, now: datetime) -> Terms:
    if isinstance(terms, CustomTerms):
        ledger.lock_accounts([terms.subscription.account_id])
    found = type(terms)._default_manager.select_for_update().filter(pk=terms.pk)
    stored: Terms | None = found.first()
    if stored is None:
        raise TermsError("These terms are not planned any more.")
    if stored.effective_from <= now:
        raise TermsError(
            f"These terms are in force since {local(stored.effective_from, _zone_of(stored))}, and "
            "calls are charged by them: they stay as they are. Enter new terms instead."
        )
    return stored
