"""Making notices: one for each person who is owed it, however often that is found."""

from collections.abc import Iterable

from django.db.models import Q

from billing.models import Account, Membership, Notice, User

WAITING = Q(sent_at=None, suppressed="")


def receivers(account: Account) -> list[User]:
    """Whoever is told about the credits of ``account``. One query."""
    memberships = Membership.objects.filter(account=account).select_related("user")
    return [one.user for one in memberships.order_by("pk") if one.receives_credit_mails]


def notify(*, notice: Notice, people: Iterable[User]) -> list[Notice]:
    """Store a copy of ``notice`` for each of ``people`` who has none; return those.

    One that was suppressed is taken up again: what it says has become true again.
    """
    made = []
    for person in people:
        stored, is_new = Notice.objects.get_or_create(
            account=notice.account,
            user=person,
            reference=notice.reference,
            defaults={
                "address": person.email,
                "kind": notice.kind,
                "grant": notice.grant,
                "days_before": notice.days_before,
                "context": notice.context,
                "created_at": notice.created_at,
                "due_at": notice.created_at,
            },
        )
        if stored.suppressed:
            stored.suppressed, stored.tried_at, stored.due_at = "", None, notice.created_at
            stored.save(update_fields=["suppressed", "tried_at", "due_at"])
            is_new = True
        if is_new:
            made.append(stored)
    return made
