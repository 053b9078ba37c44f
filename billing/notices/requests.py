"""Whom to tell by mail of requests for plans, once each. How that is done is up to the caller.

Operators are told of one that waits for them, the Superadmins of its account of what was decided.
Nobody is told of one that was withdrawn.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from billing.backoff import LATE_AFTER, due_again
from billing.models import Membership, PlanRequest, PlanRequestState, Role, User

ATTEMPTS_APART_AT_LEAST = timedelta(minutes=1)
ATTEMPTS_APART_AT_MOST = timedelta(hours=1)

# Sends one mail about a request to all the addresses; raises OSError where it can't.
Deliver = Callable[[PlanRequest, Sequence[str]], None]


def untold(*, now: datetime, limit: int = 100) -> list[int]:
    """The requests of which somebody is to be told now, or again after a failure."""
    owed = _owed()
    again = due_again(
        owed,
        now=now,
        began="state_since",
        tried="mail_tried_at",
        after=ATTEMPTS_APART_AT_LEAST,
        at_most=ATTEMPTS_APART_AT_MOST,
    )
    first = owed.filter(mail_tried_at=None).order_by("state_since", "pk")
    found = [*first.values_list("pk", flat=True)[:limit], *again.values_list("pk", flat=True)]
    return list(dict.fromkeys(found))[:limit]


def late(*, now: datetime) -> QuerySet[PlanRequest]:
    """The requests of which somebody should know by ``now`` and does not."""
    return _owed().filter(state_since__lt=now - LATE_AFTER)


def tell(*, request_id: int, deliver: Deliver, now: datetime) -> bool:
    """Tell how a request stands; return whether that was done now.

    The attempt is noted first, so that no lock is held while the mail server is spoken to. What
    ``deliver`` raises propagates, and it is attempted again later.
    """
    untried = Q(mail_tried_at=None) | Q(mail_tried_at__lt=now - ATTEMPTS_APART_AT_LEAST)
    if not _owed().filter(untried, pk=request_id).update(mail_tried_at=now):
        return False
    request = PlanRequest.objects.select_related("account", "plan", "asked_by").get(pk=request_id)
    if addresses := addressees(request):
        deliver(request, addresses)
    # Decided meanwhile, it is told of again.
    PlanRequest.objects.filter(pk=request_id).update(mailed_state=request.state)
    return True


def addressees(request: PlanRequest) -> list[str]:
    """The addresses of those who are to know how ``request`` stands."""
    if request.state == PlanRequestState.OPEN:
        people = User.objects.filter(is_staff=True, is_active=True)
        return sorted(people.exclude(email="").values_list("email", flat=True))
    own = Membership.objects.filter(
        account=request.account_id, role=Role.SUPERADMIN, user__is_active=True
    )
    return sorted(own.exclude(user__email="").values_list("user__email", flat=True))


def _owed() -> QuerySet[PlanRequest]:
    return PlanRequest.objects.exclude(state=PlanRequestState.WITHDRAWN).exclude(
        mailed_state=F("state")
    )
