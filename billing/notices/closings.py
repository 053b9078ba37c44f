"""Telling the Superadmins of an account by mail, once, that it was closed. The caller sends it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from billing.backoff import due_again
from billing.models import Account, Membership, Role

ATTEMPTS_APART_AT_LEAST = timedelta(minutes=1)
ATTEMPTS_APART_AT_MOST = timedelta(hours=1)

# Sends one mail about an account to all the addresses; raises OSError where it can't.
Deliver = Callable[[Account, Sequence[str]], None]


def untold(*, now: datetime, limit: int = 100) -> list[int]:
    """The closed accounts of which somebody is to be told now, or again after a failure."""
    owed = _owed()
    again = due_again(
        owed,
        now=now,
        began="closed_at",
        tried="closing_mail_tried_at",
        after=ATTEMPTS_APART_AT_LEAST,
        at_most=ATTEMPTS_APART_AT_MOST,
    )
    first = owed.filter(_untried()).order_by("closed_at", "pk")
    found = [*first.values_list("pk", flat=True)[:limit], *again.values_list("pk", flat=True)]
    return list(dict.fromkeys(found))[:limit]


def tell(*, account_id: int, deliver: Deliver, now: datetime) -> bool:
    """Tell that an account was closed; return whether that was done now.

    The attempt is noted first, so that no lock is held while the mail server is spoken to. What
    ``deliver`` raises propagates, and it is attempted again later.
    """
    may_try = _untried() | Q(closing_mail_tried_at__lt=now - ATTEMPTS_APART_AT_LEAST)
    if not _owed().filter(may_try, pk=account_id).update(closing_mail_tried_at=now):
        return False
    account = Account.objects.get(pk=account_id)
    if addresses := _addressees(account):
        deliver(account, addresses)
    Account.objects.filter(pk=account_id).update(closing_mailed_at=now)
    return True


def _addressees(account: Account) -> list[str]:
    own = Membership.objects.filter(account=account, role=Role.SUPERADMIN, user__is_active=True)
    return sorted(own.exclude(user__email="").values_list("user__email", flat=True))


def _owed() -> QuerySet[Account]:
    """Closed accounts whose people were not told since."""
    untold = Q(closing_mailed_at=None) | Q(closing_mailed_at__lt=F("closed_at"))
    return Account.objects.filter(untold, closed_at__isnull=False)


def _untried() -> Q:
    """Not tried since it was closed, this time."""
    return Q(closing_mail_tried_at=None) | Q(closing_mail_tried_at__lt=F("closed_at"))
