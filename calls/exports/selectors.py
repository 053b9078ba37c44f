"""What pages show of exports. Reads only."""

from uuid import UUID

from django.db.models import OuterRef, QuerySet

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


# For queries of memberships: those of the person of one in its account.
OF_PLACE = Export.objects.filter(
    account=OuterRef("account_id"), asked_by=OuterRef("user_id")
).order_by("-id")
# Of these the ones whose end the person has not been told of, or has not said to know.
NEWS_OF_PLACE = OF_PLACE.filter(seen_at=None, state__in=NEWS)
