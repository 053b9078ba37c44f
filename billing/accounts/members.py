"""Who belongs to an account, and as what. Whoever calls this has looked whether they may."""

from django.db import transaction

from billing.activity import ActivityKind, changed, facts_of, gone, new, note
from billing.models import Membership

MEMBER_FACTS = ("role", "wants_credit_mails")


def store_member(
    *, membership: Membership, added: ActivityKind = ActivityKind.MEMBER_ADDED
) -> None:
    """Store a new member, or what was changed of one. ``added`` is how a new one is noted.

    Of a membership that now is another person's or account's, one goes and another one comes.
    """
    with transaction.atomic():
        stored = Membership.objects.select_related("user").filter(pk=membership.pk)
        before = stored.select_for_update(of=("self",)).first()
        membership.save()
        account = membership.account_id
        moved = before is not None and (before.user_id, before.account_id) != (
            membership.user_id,
            account,
        )
        if before is not None and moved:
            _note_removed(before)
        if before is None or moved:
            note(
                added,
                account=account,
                subject=membership.user.email,
                changes=new(role=membership.role),
            )
            return
        changes = changed(facts_of(before, *MEMBER_FACTS), facts_of(membership, *MEMBER_FACTS))
        if changes:
            note(
                ActivityKind.MEMBER_CHANGED,
                account=account,
                subject=membership.user.email,
                changes=changes,
            )


def remove_member(*, membership: Membership) -> None:
    """Remove a member from the account. The person can still sign in."""
    with transaction.atomic():
        _note_removed(membership)
        membership.delete()


def switch_credit_mails(*, membership: Membership, wanted: bool) -> None:
    """Let the member get mails about credits, or no longer. Nothing where they have left."""
    with transaction.atomic():
        stored = Membership.objects.select_for_update().filter(pk=membership.pk)
        before = facts_of(stored.first(), "wants_credit_mails")
        changes = changed(before, {"wants_credit_mails": wanted}) if before else {}
        if changes:
            stored.update(wants_credit_mails=wanted)
            note(
                ActivityKind.MAILS_SWITCHED,
                account=membership.account_id,
                subject=membership.user.email,
                changes=changes,
            )


def _note_removed(membership: Membership) -> None:
    note(
        ActivityKind.MEMBER_REMOVED,
        account=membership.account_id,
        subject=membership.user.email,
        changes=gone(role=membership.role),
    )
