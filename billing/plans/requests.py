"""Asking for a plan: a customer asks and may withdraw, an operator approves or declines.

An account has at most one open request. Whoever changes it holds the lock on the account, so of
two who do so at once the second finds it decided. Approving is an operator's change of plan
(`billing.plans.subscriptions.subscribe`); a payment may take the operator's place.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from billing import ledger
from billing.activity import ActivityKind, Money, note
from billing.ledger.balances import balance_of
from billing.models import (
    Account,
    Plan,
    PlanRequest,
    PlanRequestState,
    Subscription,
    Terms,
    User,
)
from billing.plans.closed import hold_open
from billing.plans.cycles import cycle_at
from billing.plans.granting import granted_within_a_month
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import TariffBook, in_force
from billing.refusals import Refusal
from billing.texts import readable_reason
from billing.zones import local

SEEN_CHANGED = "The plan’s terms have changed since this page was opened. Look at them again."


class PlanRequestError(Refusal):
    """A plan that can't be asked for, or a request that can't be decided."""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What a change of ``account`` to ``plan`` at ``at`` brings, as it is decided now.

    ``credits`` come with it: 0 where credits of the plan were granted less than a month before, at
    ``granted_at``. ``balance`` is what the account has, negative for debt, and ``first_end`` when
    the first of its credits end, if any do.
    """

    account: Account
    plan: Plan
    terms: Terms
    price_minor: int
    at: datetime
    cycle_ends_at: datetime
    credits: int
    granted_at: datetime | None
    balance: int
    first_end: datetime | None

    @property
    def numbers(self) -> dict[str, int]:
        """What is asked for, by the fields of a request."""
        assert self.terms.credits_per_cycle is not None
        return {
            "price_minor": self.price_minor,
            "credits_per_cycle": self.terms.credits_per_cycle,
            "increment_seconds": self.terms.increment_seconds,
            "credits_per_increment": self.terms.credits_per_increment,
        }

    @property
    def seen(self) -> str:
        """The numbers and their currency as a form sends them back: what a person has seen."""
        return " ".join([self.account.currency, *map(str, self.numbers.values())])


def change_to(*, account: Account, plan: Plan, now: datetime) -> PlanChange:
    """What would happen if ``account`` changed to ``plan`` at ``now``.

    Raises PlanRequestError where it can't be asked for.
    """
    book = TariffBook([account.pk])
    terms = in_force(list(plan.terms.order_by("effective_from")), now)
    price_minor = terms.price_in(account.currency) if terms else None
    if not plan.is_active:
        raise PlanRequestError(f"{plan} is not on offer any more. Choose another plan.")
    if terms is None or price_minor is None or terms.credits_per_cycle is None:
        raise PlanRequestError(
            f"{plan} has no price in {account.currency} that holds for everyone: talk to us."
        )
    _require_another_plan(account, plan, book, now)
    granted_at = granted_within_a_month(
        book=book, account_id=account.pk, at=now, zone=account.zone
    ).get(plan.pk)
    ends = account.grants.filter(is_open=True, expires_at__isnull=False).order_by("expires_at")
    return PlanChange(
        account=account,
        plan=plan,
        terms=terms,
        price_minor=price_minor,
        at=now,
        cycle_ends_at=cycle_at(anchor=now, zone=account.zone, at=now).ends_at,
        credits=0 if granted_at else terms.credits_per_cycle,
        granted_at=granted_at,
        balance=balance_of(account).credits,
        first_end=ends.values_list("expires_at", flat=True).first(),
    )


def _require_another_plan(account: Account, plan: Plan, book: TariffBook, now: datetime) -> None:
    latest: Subscription | None = None
    for subscription, _ in book.subscriptions_of(account.pk):
        latest = subscription
    if latest is None:
        return
    begins = local(latest.effective_from, account.zone)
    if latest.effective_from > now:
        raise PlanRequestError(
            f"A change of plan is planned for {begins} already. Talk to us to have another one."
        )
    if latest.plan_id == plan.pk:
        raise PlanRequestError(f"The account is on {plan} already, from {begins}.")


def open_requests() -> QuerySet[PlanRequest]:
    """The requests of all accounts that wait for an answer, the one that waits longest first."""
    return PlanRequest.objects.filter(state=PlanRequestState.OPEN).order_by("asked_at", "pk")


def open_request(account: Account) -> PlanRequest | None:
    """The request of ``account`` that waits for an answer, if there is one."""
    return latest_request(account, state=PlanRequestState.OPEN)


def latest_request(account: Account, **where: str) -> PlanRequest | None:
    """The latest request of ``account``, if there was one; one query."""
    found: PlanRequest | None = (
        account.plan_requests.select_related("plan", "asked_by").filter(**where).first()
    )
    return found


def ask(*, account: Account, plan: Plan, by: User, seen: str, now: datetime) -> PlanRequest:
    """Ask for ``plan``. ``seen`` is `PlanChange.seen` as the page told it.

    Asked for twice, it is one request. Raises PlanRequestError as `change_to` does, where another
    plan is asked for already, and where the numbers are not those that were seen any more; and
    AccountClosedError.
    """
    with transaction.atomic():
        hold_open(account.pk)
        ledger.lock_accounts([account.pk])
        known = open_request(account)
        if known is not None and known.plan_id == plan.pk:
            return known
        if known is not None:
            raise PlanRequestError(f"You have asked for {known.plan} already. Withdraw that first.")
        change = change_to(account=account, plan=plan, now=now)
        if change.seen != seen:
            raise PlanRequestError(SEEN_CHANGED)
        request = PlanRequest.objects.create(
            account=account,
            plan=plan,
            currency=account.currency,
            asked_by=by,
            asked_at=now,
            state_since=now,
            **change.numbers,
        )
        note(
            ActivityKind.PLAN_ASKED,
            account=account,
            subject=plan.name,
            changes={
                f"price {account.currency}": (None, Money(change.price_minor, account.currency)),
                "credits_per_cycle": (None, request.credits_per_cycle),
            },
        )
    return request


def withdraw(*, request: PlanRequest, now: datetime) -> PlanRequest:
    """Take an open request back. Raises PlanRequestError where it is not open any more."""
    with transaction.atomic():
        stored = _locked_open(request)
        note(ActivityKind.PLAN_REQUEST_WITHDRAWN, account=stored.account, subject=stored.plan.name)
        return _move(stored, PlanRequestState.WITHDRAWN, now)


def decline(*, request: PlanRequest, by: User, reason: str, now: datetime) -> PlanRequest:
    """Decline an open request for a ``reason`` that the account reads.

    Raises PlanRequestError where it is not open any more, ReasonError as `readable_reason` does.
    """
    reason = readable_reason(reason)
    with transaction.atomic():
        stored = _locked_open(request)
        note(
            ActivityKind.PLAN_REQUEST_DECLINED,
            account=stored.account,
            subject=stored.plan.name,
            reason=reason,
        )
        stored.decided_by, stored.reason = by, reason
        return _move(stored, PlanRequestState.DECLINED, now)


def approve(*, request: PlanRequest, by: User, now: datetime) -> PlanRequest:
    """Approve an open request: the account is on the plan from ``now`` on.

    Raises PlanRequestError where it is not open any more, where the plan can't be asked for any
    more, or costs or gives something else than what the account asked for.
    """
    with transaction.atomic():
        hold_open(request.account_id)
        stored = _locked_open(request)
        change = change_of(request=stored, now=now)
        stored.subscription = subscribe(account=stored.account, plan=change.plan, at=now, now=now)
        stored.decided_by = by
        note(ActivityKind.PLAN_REQUEST_APPROVED, account=stored.account, subject=stored.plan.name)
        return _move(stored, PlanRequestState.APPROVED, now)


def change_of(*, request: PlanRequest, now: datetime) -> PlanChange:
    """What approving ``request`` at ``now`` would bring. Raises PlanRequestError as `approve`."""
    change = change_to(account=request.account, plan=request.plan, now=now)
    asked = {name: getattr(request, name) for name in change.numbers}
    if (request.currency, asked) != (request.account.currency, change.numbers):
        raise PlanRequestError(
            f"The price or the terms of {request.plan} are not those that were asked for any "
            "more. Decline the request, so that the account can ask again."
        )
    return change


def _locked_open(request: PlanRequest) -> PlanRequest:
    """``request`` as it is now, under the lock of its account. Raises PlanRequestError."""
    ledger.lock_accounts([request.account_id])
    stored = PlanRequest.objects.select_related("account", "plan").get(pk=request.pk)
    if stored.state != PlanRequestState.OPEN:
        raise PlanRequestError(
            f"This request was {stored.get_state_display().lower()} on "
            f"{local(stored.state_since, stored.account.zone)}."
        )
    return stored


def _move(stored: PlanRequest, state: PlanRequestState, now: datetime) -> PlanRequest:
    """Store the new state; who has to be told of it is found by a sweeper."""
    stored.state, stored.state_since, stored.mail_tried_at = state, now, None
    stored.save()
    return stored
