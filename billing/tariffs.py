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
from typing import Protocol, TypeVar

from billing.models import Account, CustomTerms, Plan, PlanTerms, Subscription, Terms


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


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an account has agreed to at an instant: its subscription and the terms of it."""

    subscription: Subscription
    terms: Terms

    @property
    def plan(self) -> Plan:
        """The plan subscribed to."""
        return self.subscription.plan


class TariffBook:
    """The agreements of some accounts over all time, read once in three queries."""

    def __init__(self, account_ids: Iterable[int]) -> None:
        self._subscriptions: dict[int, list[Subscription]] = defaultdict(list)
        self._plan_terms: dict[int, list[PlanTerms]] = defaultdict(list)
        self._custom_terms: dict[int, list[CustomTerms]] = defaultdict(list)
        subscriptions = (
            Subscription.objects.filter(account_id__in=list(account_ids))
            .select_related("plan")
            .order_by("effective_from")
        )
        for subscription in subscriptions:
            self._subscriptions[subscription.account_id].append(subscription)
        plan_ids = {subscription.plan_id for subscription in subscriptions}
        for terms in PlanTerms.objects.filter(plan_id__in=plan_ids).order_by("effective_from"):
            self._plan_terms[terms.plan_id].append(terms)
        for custom in CustomTerms.objects.filter(
            subscription__account_id__in=self._subscriptions
        ).order_by("effective_from"):
            self._custom_terms[custom.subscription_id].append(custom)

    def at(self, account_id: int, at: datetime) -> Agreement:
        """Return what ``account_id`` had agreed to at ``at``.

        Raises NoTariffError where the account never had a plan, or its plan has no terms.
        """
        subscriptions = self._subscriptions.get(account_id)
        if not subscriptions:
            raise NoTariffError("the account has no plan")
        subscription = in_force(subscriptions, at) or subscriptions[0]
        custom = in_force(self._custom_terms.get(subscription.pk, ()), at)
        if custom is not None:
            return Agreement(subscription, custom)
        plan_terms = self._plan_terms.get(subscription.plan_id)
        if not plan_terms:
            raise NoTariffError(f"the plan {subscription.plan} has no terms")
        return Agreement(subscription, in_force(plan_terms, at) or plan_terms[0])


def agreement_at(*, account: Account, at: datetime) -> Agreement:
    """Return the subscription and terms of ``account`` at ``at``. Raises NoTariffError."""
    return TariffBook([account.pk]).at(account.pk, at)
