"""The members of an account as the page of its team shows them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db.models import Case, Exists, OuterRef, QuerySet, Value, When

from billing.accounts.team import INVITATION_LIVES, ROLES, is_invited, may_change
from billing.models import Account, Activity, ActivityKind, Membership


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member in words. ``state`` is "Active", or why not; ``tag`` how it is coloured.

    ``invited_at`` and ``invited_by`` are of the newest invitation of somebody who has not chosen a
    password; without one that this account sent, None and "".
    """

    member: Membership
    state: str
    tag: str
    has_second_step: bool
    may_change: bool
    is_own: bool
    invited_at: datetime | None = None
    invited_by: str = ""

    @property
    def is_invited(self) -> bool:
        """Whether they have not chosen a password yet."""
        return is_invited(self.member.user)

    @property
    def link_ends_at(self) -> datetime | None:
        """Until when the newest link works, where that is known."""
        return self.invited_at + INVITATION_LIVES if self.invited_at is not None else None


def members_of(account: Account) -> QuerySet[Membership]:
    """The members of ``account``, those with the most rights first; with their second steps."""
    steps = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
    rank = Case(*(When(role=role, then=Value(place)) for place, role in enumerate(ROLES)))
    return (
        Membership.objects.filter(account=account)
        .annotate(has_second_step=Exists(steps), rank=rank)
        .select_related("user", "account")
        .order_by("rank", "user__email")
    )


def member_rows(
    members: Sequence[Membership], *, reader: Membership, now: datetime
) -> list[MemberRow]:
    """``members``, read by `members_of`, in words; one query where some are invited."""
    invited = [member.user.email for member in members if is_invited(member.user)]
    newest = newest_invitations(reader.account, invited) if invited else {}
    return [_row(member, newest.get(member.user.email), reader, now) for member in members]


def _row(
    member: Membership, invitation: Activity | None, reader: Membership, now: datetime
) -> MemberRow:
    at = invitation.at if invitation is not None else None
    state, tag = _state(member, at, now)
    return MemberRow(
        member=member,
        state=state,
        tag=tag,
        has_second_step=getattr(member, "has_second_step", False),
        may_change=may_change(reader, member),
        is_own=member.pk == reader.pk,
        invited_at=at,
        invited_by=invitation.by_name if invitation is not None else "",
    )


def _state(member: Membership, invited_at: datetime | None, now: datetime) -> tuple[str, str]:
    if not member.user.is_active:
        return "Switched off", "danger"
    if not is_invited(member.user):
        return "Active", "positive"
    if invited_at is not None and invited_at + INVITATION_LIVES <= now:
        return "Invitation has expired", "warning"
    return "Invited", ""


def newest_invitations(account: Account, emails: Collection[str]) -> Mapping[str, Activity]:
    """The newest invitation to ``account`` of each of ``emails``, from its activity log; one
    query."""
    found = Activity.objects.filter(
        account=account, kind=ActivityKind.MEMBER_INVITED, subject__in=emails
    )
    return {each.subject: each for each in found.order_by("pk")}
