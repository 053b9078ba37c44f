"""What pages show of exports. Reads only."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.models import Account, User
from calls.exports.standing import NEWS
from calls.models import Export


def exports_of(*, account: Account, by: User) -> QuerySet[Export]:
    """The exports that a person asked for in an account, newest first: nobody else sees them."""
    return Export.objects.filter(account=account, asked_by=by).order_by("-id")


def export_of(*, account: Account, by: User, public_id: UUID) -> Export | None:
    """One of them; None where the person has no such export there."""
    found = exports_of(account=account, by=by).filter(public_id=public_id).first()
    if found is not None:
        found.account = account
    return found


def news_of(*, account: Account, by: User) -> list[Export]:
    """Those whose end the person has not been told of, or has not said to know."""
    return list(exports_of(account=account, by=by).filter(UNSEEN))


UNSEEN = Q(seen_at=None, state__in=NEWS)


def of_place(*, unseen: bool = False) -> Exists:
    """Whether the person of a membership has any in its account; for queries of memberships."""
    found = Export.objects.filter(account=OuterRef("account_id"), asked_by=OuterRef("user_id"))
    return Exists(found.filter(UNSEEN) if unseen else found)
