"""Which tariff applies to an account at an instant: the one place that decides it.

Custom terms of the subscription in force come before its plan's terms. Each is effective-dated:
the latest that has begun is in force. Before the first one, the first one applies, so that records
from before an account was opened here can be brought along (see "Decisions" in the README).
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol, TypeVar

from billing.bulk import among
from billing.models import Account, CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.rating import Tariff


class NoTariffError(LookupError):
    """The account has no plan, so nothing says what its calls cost."""


class EffectiveDated(Protocol):
    """A row that is in force from ``effective_from`` until the next one."""

    effective_from: datetime


Dated = TypeVar("Dated", bound=EffectiveDated)


def in_force(rows: Sequence[Dated], at: datetime) -> Dated | None:
    """The latest of ``rows`` (sorted by ``effective_from``) that has begun at ``at``, if any."""
    position = bisect_right(rows, at, key=lambda row: row.effective_from)
    return rows[position - 1] if position else None


def in_force_or_first(rows: Sequence[Dated], at: datetime) -> Dated | None:
    """The same, and before the first of ``rows`` that one; None where there are none."""
    return in_force(rows, at) or next(iter(rows), None)


@dataclass(frozen=True)
class Agreement:
    """What an account has agreed to at an instant: its subscription, to which plan, its terms."""

    subscription: Subscription
    plan: Plan
    terms: Terms

    @cached_property
    def tariff(self) -> Tariff:
        """What an increment costs."""
        return self.terms.tariff


@dataclass(frozen=True, slots=True)
class Decided:
    """Another agreement of an account, and when it comes into force."""

    at: datetime
    agreement: Agreement


class TariffBook:
    """The agreements of some accounts over all time, read once in five queries.

    ``time_zones`` are the names of the zones of those of the accounts that exist.
    """

    def __init__(self, account_ids: Iterable[int]) -> None:
        accounts = Account.objects.filter(pk__in=among(account_ids))
        self.time_zones: dict[int, str] = dict(accounts.values_list("pk", "time_zone"))
        self._subscriptions: dict[int, list[Subscription]] = defaultdict(list)
        self._plan_terms: dict[int, list[PlanTerms]] = defaultdict(list)
        self._custom_terms: dict[int, list[CustomTerms]] = defaultdict(list)
        plan_ids = set()
        for subscription in Subscription.objects.filter(
            account_id__in=among(self.time_zones)
        ).order_by("effective_from"):
            self._subscriptions[subscription.account_id].append(subscription)
            plan_ids.add(subscription.plan_id)
        self._plans = Plan.objects.in_bulk(plan_ids)
        for terms in PlanTerms.objects.filter(plan_id__in=plan_ids).order_by("effective_from"):
            self._plan_terms[terms.plan_id].append(terms)
        for custom in CustomTerms.objects.filter(
            subscription__account_id__in=among(self._subscriptions)
        ).order_by("effective_from"):
            self._custom_terms[custom.subscription_id].append(custom)
        self._changes: dict[int, list[datetime]] = {}
        self._agreements: dict[tuple[int, int], Agreement] = {}

    def at(self, account_id: int, at: datetime) -> Agreement:
        """Return what ``account_id`` had agreed to at ``at``.

        Raises NoTariffError where the account never had a plan, or its plan has no terms.
        """
        key = (account_id, bisect_right(self._changes_of(account_id), at))
        agreement = self._agreements.get(key)
        if agreement is None:
            agreement = self._agreements[key] = self._agreement(account_id, at)
        return agreement

    def find(self, account_id: int, at: datetime) -> Agreement | None:
        """Return what `at` does; None where it raises."""
        try:
            return self.at(account_id, at)
        except NoTariffError:
            return None

    def subscription_at(self, account_id: int, at: datetime) -> Subscription | None:
        """Return the subscription in force at ``at``; None before the account's first."""
        return in_force(self._subscriptions.get(account_id, ()), at)

    def subscriptions_of(self, account_id: int) -> list[tuple[Subscription, datetime | None]]:
        """Its subscriptions, oldest first, each with when the next one begins, if any does."""
        subscriptions = self._subscriptions.get(account_id, [])
        begins = [subscription.effective_from for subscription in subscriptions]
        return list(zip(subscriptions, [*begins[1:], None], strict=False))  # not where both lack

    def changes(
        self, account_id: int, *, after: datetime, until: datetime | None = None
    ) -> list[datetime]:
        """When other terms may have come into force ``after`` an instant and ``until`` another."""
        changes = self._changes_of(account_id)
        end = len(changes) if until is None else bisect_right(changes, until)
        return changes[bisect_right(changes, after) : end]

    def decided(self, account_id: int, *, after: datetime) -> list[Decided]:
        """What the account is to agree to ``after`` an instant, as far as it is known, in order."""
        if account_id not in self._subscriptions:
            return []
        found = []
        latest = self.find(account_id, after)
        for at in self.changes(account_id, after=after):
            agreement = self.find(account_id, at)
            if agreement is not None and agreement != latest:
                found.append(Decided(at, agreement))
                latest = agreement
        return found

    def _changes_of(self, account_id: int) -> list[datetime]:
        """When another agreement may have come into force: between them there is but one."""
        changes = self._changes.get(account_id)
        if changes is None:
            subscriptions = self._subscriptions.get(account_id)
            if not subscriptions:
                raise NoTariffError("the account has no plan")
            changes = self._changes[account_id] = sorted(
                {
                    row.effective_from
                    for subscription in subscriptions
                    for row in (
                        subscription,
                        *self._plan_terms.get(subscription.plan_id, ()),
                        *self._custom_terms.get(subscription.pk, ()),
                    )
                }
            )
        return changes

    def _agreement(self, account_id: int, at: datetime) -> Agreement:
        subscription = self.subscription_at(account_id, at) or self._subscriptions[account_id][0]
        custom = in_force(self._custom_terms.get(subscription.pk, ()), at)
        plan = self._plans[subscription.plan_id]
        if custom is not None:
            return Agreement(subscription, plan, custom)
        plan_terms = in_force_or_first(self._plan_terms.get(plan.pk, ()), at)
        if plan_terms is None:
            raise NoTariffError(f"the plan {plan} has no terms")
        return Agreement(subscription, plan, plan_terms)


def agreement_at(*, account: Account, at: datetime) -> Agreement:
    """Return the subscription and terms of ``account`` at ``at``. Raises NoTariffError."""
    return TariffBook([account.pk]).at(account.pk, at)
