"""Which tariff applies to an account at an instant: the one place that decides it.

Custom terms of the subscription in force come before its plan's terms. Each is effective-dated:
the latest that has begun is in force. Before the first subscription calls are history: what they
would have cost is told by the tariff that subscription began with.
Rules: "How credits are consumed", 4 and 8.
"""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

from billing.bulk import as_array
from billing.kept_plans import kept
from billing.models import Account, CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.plans.rating import Tariff

BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class NoTariffError(LookupError):
    """The account has no plan, so nothing says what its calls cost."""


class ClosedError(NoTariffError):
    """The account was closed at ``closed_at``: what starts from then on is not charged."""

    def __init__(self, closed_at: datetime) -> None:
        super().__init__("the account was closed then")
        self.closed_at = closed_at


class EffectiveDated(Protocol):
    """A row that is in force from ``effective_from`` until the next one."""

    @property
    def effective_from(self) -> datetime:
        """Since when it is in force."""


AnyModel = TypeVar("AnyModel", bound=Model)
Dated = TypeVar("Dated", bound=EffectiveDated)


def in_force(rows: Sequence[Dated], at: datetime) -> Dated | None:
    """The latest of ``rows`` (sorted by ``effective_from``) that has begun at ``at``, if any."""
    position = bisect_right(rows, at, key=attrgetter("effective_from"))
    return rows[position - 1] if position else None


def in_force_or_first(rows: Sequence[Dated], at: datetime) -> Dated | None:
    """The same, and before the first of ``rows`` that one; None where there are none."""
    if len(rows) == 1:
        return rows[0]
    return in_force(rows, at) or next(iter(rows), None)


class Agreement(NamedTuple):
    """What an account has agreed to at an instant: its subscription, to which plan, its terms."""

    subscription: Subscription
    plan: Plan
    terms: Terms

    @property
    def tariff(self) -> Tariff:
        """What an increment costs."""
        return self.terms.tariff


class Price(NamedTuple):
    """What a call is rated by. ``is_history``: it costs nothing."""

    plan_name: str
    tariff: Tariff
    is_history: bool


class _Subscribed(NamedTuple):
    """The columns of a `Subscription`. A batch reads hundreds, and needs hardly any as a model."""

    id: int
    account_id: int
    plan_id: int
    effective_from: datetime
    time_zone: str
    ended_at: datetime | None
    begun_at: datetime | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class UpcomingAgreement:
    """Another agreement of an account, and when it comes into force."""

    at: datetime
    agreement: Agreement


class TariffBook:
    """The agreements of some accounts over all time, read once in one query.

    ``subscribed`` are the ids of those of the accounts that have, had, or will have a plan.
    """

    def __init__(self, account_ids: Iterable[int]) -> None:
        self._subscriptions: dict[int, list[_Subscribed]] = defaultdict(list)
        self._models: dict[int, Subscription] = {}  # of those that were asked for, by their ids
        self._plan_terms: dict[int, list[PlanTerms]] = defaultdict(list)
        self._custom_terms: dict[int, list[CustomTerms]] = defaultdict(list)
        self._plan_changes: dict[int, list[datetime]] = defaultdict(list)
        self._changes: dict[int, list[datetime]] = {}
        self._prices: dict[tuple[int, int], Price] = {}
        self._plans: dict[int, Plan] = {}
        self._ended: set[int] = set()  # the accounts that are, or were, closed
        for row in _stored_rows_of(account_ids):
            if isinstance(row, _Subscribed):
                self._subscriptions[row.account_id].append(row)
                if row.ended_at is not None:
                    self._ended.add(row.account_id)
            elif isinstance(row, Plan):
                self._plans[row.pk] = row
            elif isinstance(row, PlanTerms):
                self._plan_terms[row.plan_id].append(row)
                self._plan_changes[row.plan_id].append(row.effective_from)
            else:
                self._custom_terms[row.subscription_id].append(row)
        self.subscribed = self._subscriptions.keys()

    @classmethod
    def of_new(cls, subscription: Subscription, custom_terms: CustomTerms | None) -> "TariffBook":
        """The agreements of an account without a row yet, whose id is taken to be 0."""
        book = cls([])
        plan = subscription.plan
        row = _Subscribed(*(getattr(subscription, name) for name in _Subscribed._fields))
        book._subscriptions[0] = [row]
        book._models[row.id] = subscription
        book._plans = {plan.pk: plan}
        book._plan_terms[plan.pk] = list(plan.terms.order_by("effective_from"))
        book._plan_changes[plan.pk] = [terms.effective_from for terms in book._plan_terms[plan.pk]]
        if custom_terms is not None:
            book._custom_terms[subscription.pk] = [custom_terms]
        return book

    def at(self, account_id: int, at: datetime) -> Agreement:
        """Return what ``account_id`` had agreed to at ``at``; for history (`is_history`), what its
        first subscription began with.

        Raises NoTariffError where the account never had a plan, or its plan has no terms.
        """
        subscribed, terms = self._terms_at(account_id, at)
        return Agreement(self._model(subscribed), self._plans[subscribed.plan_id], terms)

    def _terms_at(self, account_id: int, at: datetime) -> tuple[_Subscribed, Terms]:
        subscribed = in_force_or_first(self._subscriptions.get(account_id, ()), at)
        if subscribed is None:
            raise NoTariffError("the account has no plan")
        at = max(at, subscribed.effective_from)
        custom = in_force(self._custom_terms.get(subscribed.id, ()), at)
        if custom is not None:
            return subscribed, custom
        plan_terms = in_force_or_first(self._plan_terms.get(subscribed.plan_id, ()), at)
        if plan_terms is None:
            raise NoTariffError(f"the plan {self._plans[subscribed.plan_id]} has no terms")
        return subscribed, plan_terms

    def _model(self, subscribed: _Subscribed) -> Subscription:
        model = self._models.get(subscribed.id)
        if model is None:
            model = Subscription.from_db(DEFAULT_DB_ALIAS, _Subscribed._fields, subscribed)
            self._models[subscribed.id] = model
        return model

    def price_at(self, account_id: int, at: datetime) -> Price:
        """Return what a call of ``account_id`` that starts ``at`` is rated by.

        Between two changes of terms it is one and the same, so it is found out once. Raises as
        `at` does, and ClosedError where the account was closed then.
        """
        if account_id in self._ended:
            subscribed = in_force(self._subscriptions.get(account_id, ()), at)
            ended_at = subscribed.ended_at if subscribed is not None else None
            if ended_at is not None and at >= ended_at:
                raise ClosedError(ended_at)
        changes = self._changes.get(account_id)
        if changes is None:
            changes = self._changes[account_id] = self.changes(account_id, after=BEFORE_ALL)
        key = (account_id, bisect_right(changes, at))
        price = self._prices.get(key)
        if price is None:
            subscribed, terms = self._terms_at(account_id, at)
            price = self._prices[key] = Price(
                self._plans[subscribed.plan_id].name,
                terms.tariff,
                self.is_history(account_id, at),
            )
        return price

    def find(self, account_id: int, at: datetime) -> Agreement | None:
        """Return what `at` does; None where it raises."""
        try:
            return self.at(account_id, at)
        except NoTariffError:
            return None

    def subscription_at(self, account_id: int, at: datetime) -> Subscription | None:
        """Return the subscription in force at ``at``; None before the account's first."""
        subscribed = in_force(self._subscriptions.get(account_id, ()), at)
        return None if subscribed is None else self._model(subscribed)

    def is_history(self, account_id: int, at: datetime) -> bool:
        """Whether ``at`` is before the account's first subscription: such calls cost nothing."""
        first = next(iter(self._subscriptions.get(account_id, ())), None)
        return first is not None and at < first.effective_from

    def subscriptions_of(self, account_id: int) -> list[tuple[Subscription, datetime | None]]:
        """Its subscriptions, oldest first, each with when the next one begins, if any does."""
        subscribed = self._subscriptions.get(account_id, [])
        subscriptions = [self._model(one) for one in subscribed]
        begins = [one.effective_from for one in subscribed]
        return list(zip(subscriptions, [*begins[1:], None], strict=False))  # not where both lack

    def changes(
        self, account_id: int, *, after: datetime, until: datetime | None = None
    ) -> list[datetime]:
        """When other terms may have come into force ``after`` an instant and ``until`` another."""
        changes: set[datetime] = set()
        for subscribed in self._subscriptions.get(account_id, ()):
            changes.add(subscribed.effective_from)
            changes.update(self._plan_changes[subscribed.plan_id])
            if subscribed.id in self._custom_terms:
                changes.update(row.effective_from for row in self._custom_terms[subscribed.id])
        return sorted(at for at in changes if at > after and (until is None or at <= until))

    def upcoming(self, account_id: int, *, after: datetime) -> list[UpcomingAgreement]:
        """The agreements that are to follow ``after`` an instant, as far as is known, in order."""
        found = []
        latest = self.find(account_id, after)
        for at in self.changes(account_id, after=after):
            agreement = self.find(account_id, at)
            if agreement is not None and agreement != latest:
                found.append(UpcomingAgreement(at, agreement))
                latest = agreement
        return found


def agreement_at(*, account: Account, at: datetime) -> Agreement:
    """Return the subscription and terms of ``account`` at ``at``. Raises NoTariffError."""
    return TariffBook([account.pk]).at(account.pk, at)


# ── Reading ───────────────────────────────────────────────────────────────────────────────────
# A bare statement: a call that comes by itself asks this each time, and every page does. Putting
# Django's queries together took longer than answering them.
def _stored_rows_of(
    account_ids: Iterable[int],
) -> Iterator[_Subscribed | Plan | PlanTerms | CustomTerms]:
    """The subscriptions of the accounts in the order in which they begin, with their plans, and all
    terms of either, as they come into force; each row once. One query.

    A plan, with its terms, is told beside one of its subscriptions only: it has many columns.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            kept(f"""
            SELECT {", ".join(f"own.{name}" for name in _Subscribed._fields)},
                   {_columns(Plan, "plan")}, terms.*
              FROM (SELECT *, row_number() OVER (PARTITION BY plan_id) = 1 AS tells_plan
                      FROM billing_subscription WHERE account_id = ANY(%s::bigint[])) own
              LEFT JOIN billing_plan plan ON plan.id = own.plan_id AND own.tells_plan
              LEFT JOIN LATERAL (
                   SELECT false AS is_custom, {_columns(PlanTerms, "terms")}
                     FROM billing_planterms terms
                    WHERE terms.plan_id = own.plan_id AND own.tells_plan
                    UNION ALL
                   SELECT true, {_columns(CustomTerms, "terms")}
                     FROM billing_customterms terms WHERE terms.subscription_id = own.id
                   ) terms ON true
             ORDER BY own.effective_from, terms.effective_from
            """),
            [as_array(account_ids)],
        )
        rows = cursor.fetchall()
    own, plan = len(_Subscribed._fields), len(Plan._meta.concrete_fields)
    subscribed: set[int] = set()
    plans: set[int] = set()
    for row in rows:
        if row[0] not in subscribed:
            subscribed.add(row[0])
            yield _Subscribed(*row[:own])
        if row[own] is not None and row[own] not in plans:
            plans.add(row[own])
            yield _stored(Plan, row[own : own + plan])
        is_custom, *terms = row[own + plan :]
        if is_custom:
            yield _stored(CustomTerms, terms)
        elif is_custom is not None:
            yield _stored(PlanTerms, terms)


@cache
def _columns(model: type[Model], alias: str) -> str:
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


@cache
def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _stored(model: type[AnyModel], values: Sequence[Any]) -> AnyModel:
    """A row of ``model`` whose ``values`` are in the order of its fields."""
    stored = model.from_db(DEFAULT_DB_ALIAS, _names(model), values)
    if isinstance(stored, Terms):
        stored.prices = json.loads(stored.prices)
    return stored
