"""Closing an account, and reopening one.

From the instant of closing on no billing cycle begins, no call that starts later is taken, and no
key opens anything. What has happened stays: calls that started before are charged when they come,
credits that are left keep their end, and members go on reading. What reports the account's calls
is ended by whoever calls this, in the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import ledger
from billing.accounts.api_keys import revoke_all, valid_keys
from billing.activity import ActivityKind, changed, note
from billing.models import Account, Payment, Plan, Subscription, User
from billing.payments.settling import close_pages_soon
from billing.plans import requests, subscriptions
from billing.plans.movements import bring_up_to_date
from billing.refusals import Refusal
from billing.texts import readable_reason
from billing.zones import local


class ClosingError(Refusal):
    """An account that is closed already, or is not."""


@dataclass(frozen=True, slots=True)
class WhatEnds:
    """What closing an account would end: planned changes of plan, keys, payment pages that are
    open; and the plan that it has asked for, if any."""

    planned: list[Subscription]
    keys: int
    payment_pages: int
    asked_for: Plan | None


def what_ends(*, account: Account, now: datetime) -> WhatEnds:
    """What `close_account` would end. Four queries."""
    opened = Payment.objects.filter(top_up__account=account, status=Payment.Status.OPEN)
    request = requests.open_request(account)
    planned = account.subscriptions.select_related("plan", "account").filter(effective_from__gt=now)
    return WhatEnds(
        planned=list(planned.order_by("effective_from")),
        keys=valid_keys(account, at=now).count(),
        payment_pages=opened.exclude(checkout_id="").count(),
        asked_for=request.plan if request is not None else None,
    )


def close_account(*, account: Account, by: User, reason: str, now: datetime) -> Account:
    """Close ``account`` at ``now`` for a ``reason`` that its Superadmins can read.

    What is due by then is booked first: cycles, expiries. Payment pages that are open are closed by
    the sweeper; what is paid there all the same is credited. Raises ClosingError where it is closed
    already, SubscriptionError as `subscriptions.end`, ReasonError as `readable_reason` does.
    """
    reason = readable_reason(reason)
    with transaction.atomic():
        held = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        if held.closed_at is not None:
            raise ClosingError(f"It was closed on {local(held.closed_at, held.zone)} already.")
        ledger.lock_accounts([held.pk])
        bring_up_to_date(account=held, now=now)
        subscriptions.end(account=held, now=now)
        request = requests.open_request(held)
        if request is not None:
            requests.withdraw(request=request, now=now)
        revoke_all(account=held, by=by, now=now)
        close_pages_soon(account=held, now=now)
        held.closed_at = now
        held.save(update_fields=["closed_at"])
        note(
            ActivityKind.ACCOUNT_CLOSED,
            account=held,
            subject=held.name,
            changes={"closed": (None, now)},
            reason=reason,
        )
    return held


def reopen_account(*, account: Account, plan: Plan, now: datetime) -> Subscription:
    """Reopen ``account`` at ``now``, on ``plan`` from then on.

    The time in between stays without cycles and calls. Credits of the plan come as with any change
    to it (`billing.plans.granting`). Keys and sources do not come back. Raises ClosingError where
    it is not closed.
    """
    with transaction.atomic():
        held = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        if held.closed_at is None:
            raise ClosingError("It is open.")
        note(
            ActivityKind.ACCOUNT_REOPENED,
            account=held,
            subject=held.name,
            changes=changed({"closed": held.closed_at}, {"closed": None}),
        )
        held.closed_at = None
        held.save(update_fields=["closed_at"])
        return subscriptions.subscribe(account=held, plan=plan, at=now, now=now)
