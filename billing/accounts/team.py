"""Bringing people into an account, changing what they may do there, and removing them.

Nobody gives, changes or removes a role that they do not have, and one Superadmin who can sign in
always stays. Each change locks the account, and reads anew what it depends on: of two that are
made at once, the second sees what the first has done. Rule: "Who may do what".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import IntegrityError, transaction

from billing.accounts.attempts import begin_attempt, invitation_counters
from billing.accounts.members import remove_member, store_member
from billing.accounts.people import add_person, person_with
from billing.activity import ActivityKind, note
from billing.models import Account, Membership, Role, User
from billing.refusals import Refusal

INVITATION_LIVES = timedelta(days=7)
MEMBERS_MAX = 500  # of one account

# Each may give their own role and those after it.
ROLES = (Role.SUPERADMIN, Role.ADMIN, Role.MEMBER)


class TeamError(Refusal):
    """A change of the team that can't be made."""


def roles_to_give(membership: Membership) -> list[Role]:
    """The roles that the person may give, the most powerful first; none to who manages nobody."""
    own = Role(membership.role)
    return list(ROLES[ROLES.index(own) :]) if membership.may_manage else []


def may_change(by: Membership, member: Membership) -> bool:
    """Whether ``by`` may change the role of ``member``, or remove them."""
    return by.account_id == member.account_id and Role(member.role) in roles_to_give(by)


def is_invited(user: User) -> bool:
    """Whether ``user`` has not chosen a password yet, so that a link has to lead them in."""
    return not user.has_usable_password()


def invite(*, by: Membership, email: str, role: str, now: datetime) -> Membership:
    """Make whoever signs in with ``email`` a member of the account of ``by``, and return them.

    Who is new here is added as a person who signs in. The caller sends the mail. Raises TeamError,
    and TooManyAttempts where too many were invited.
    """
    email = email.strip().lower()
    _check_may_give(by, role)
    _count_invitation(account_id=by.account_id, email=email, now=now)
    with _changing(by) as actor:
        _check_may_give(actor, role)
        return _bring_in(account=actor.account, email=email, role=role)


def invite_as_operator(*, account: Account, email: str, role: str, now: datetime) -> Membership:
    """Do the same as an operator, who belongs to no account and may give every role.

    Who has this very role, and has not chosen a password yet, is invited once more.
    """
    email = email.strip().lower()
    _count_invitation(account_id=account.pk, email=email, now=now)
    with transaction.atomic():
        locked = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        members = Membership.objects.select_related("user", "account")
        member = members.filter(account=locked, user__email=email, role=role).first()
        if member is None:
            return _bring_in(account=locked, email=email, role=role)
        _note_invited_again(member)
    return member


def invite_again(*, by: Membership, member: Membership, now: datetime) -> Membership:
    """Note that ``member`` is invited once more; the caller sends the mail.

    Raises TeamError where they have chosen a password meanwhile, and TooManyAttempts.
    """
    _count_invitation(account_id=by.account_id, email=member.user.email, now=now)
    with _changing(by) as actor:
        stored = _stored(actor, member)
        _note_invited_again(stored)
    return stored


def change_role(*, by: Membership, member: Membership, role: str) -> Membership:
    """Give ``member`` the ``role``. Raises TeamError."""
    with _changing(by) as actor:
        stored = _stored(actor, member)
        _check_may_give(actor, role)
        if role != Role.SUPERADMIN:
            _check_somebody_pays(stored)
        stored.role = role
        store_member(membership=stored)
    return stored


def remove_from_team(*, by: Membership, member: Membership) -> None:
    """Remove ``member`` from the account, which may be ``by`` themselves. Raises TeamError."""
    with _changing(by) as actor:
        stored = _stored(actor, member)
        _check_somebody_pays(stored)
        remove_member(membership=stored)


def is_last_to_pay(member: Membership) -> bool:
    """Whether ``member`` is a Superadmin without whom nobody could pay: no other can sign in."""
    if member.role != Role.SUPERADMIN:
        return False
    others = Membership.objects.filter(account=member.account_id, role=Role.SUPERADMIN)
    return not (
        others.filter(user__is_active=True)
        .exclude(pk=member.pk)
        .exclude(user__password__startswith=UNUSABLE_PASSWORD_PREFIX)
        .exists()
    )


def _count_invitation(*, account_id: int, email: str, now: datetime) -> None:
    counters = invitation_counters(account_id=account_id, address=email)
    begin_attempt(counters=counters, what="invitations", now=now)


def _bring_in(*, account: Account, email: str, role: str) -> Membership:
    """Store a new member of ``account``, which is locked. Raises TeamError."""
    members = Membership.objects.filter(account=account)
    if members.filter(user__email=email).exists():
        raise TeamError(f"{email} is in the team already.", field="email")
    if members.count() >= MEMBERS_MAX:
        raise TeamError(
            f"The team has {MEMBERS_MAX} people already, which is the most. Remove one first."
        )
    person = _person(email)
    if not person.is_active:
        raise TeamError(
            f"The sign-in of {email} is switched off. Ask the people who look after your "
            "account here to switch it on.",
            field="email",
        )
    member = Membership(user=person, account=account, role=role)
    invited = ActivityKind.MEMBER_INVITED
    store_member(
        membership=member, added=invited if is_invited(person) else ActivityKind.MEMBER_ADDED
    )
    return member


def _note_invited_again(member: Membership) -> None:
    """Note it, where a link still lets them in. Raises TeamError."""
    if not is_invited(member.user):
        raise TeamError("They have chosen a password already, and can sign in.")
    if not member.user.is_active:
        raise TeamError("Their sign-in is switched off, so a link would not let them in.")
    note(ActivityKind.MEMBER_INVITED, account=member.account_id, subject=member.user.email)


@contextmanager
def _changing(by: Membership) -> Iterator[Membership]:
    """Lock the account of ``by`` in a transaction, and give their membership as it is now."""
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(pk=by.account_id)
        actor = Membership.objects.filter(pk=by.pk, account=account).first()
        if actor is None or not actor.may_manage:
            raise TeamError("You may not change the team any more.")
        actor.account = account
        yield actor


def _stored(actor: Membership, member: Membership) -> Membership:
    """``member`` as they are now, whom ``actor`` may change."""
    own = Membership.objects.filter(account=actor.account_id, pk=member.pk)
    stored = own.select_related("user").first()
    if stored is None:
        raise TeamError("They are not in the team any more.")
    if not may_change(actor, stored):
        raise TeamError("Only a Superadmin can change or remove a Superadmin.")
    return stored


def _check_may_give(by: Membership, role: str) -> None:
    if role not in roles_to_give(by):
        raise TeamError("Nobody can give a role that they do not have themselves.", field="role")


def _check_somebody_pays(member: Membership) -> None:
    if is_last_to_pay(member):
        raise TeamError(
            f"{member.user.email} is the only Superadmin who can sign in. Make somebody else "
            "Superadmin first: nobody else can top up or change the plan.",
            field="role",
        )


def _person(email: str) -> User:
    """Whoever signs in with ``email``, added where nobody does."""
    known = person_with(email=email)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            return add_person(email=email)
    except IntegrityError:  # another account has added them at the same moment
        return User.objects.get(email=email)
