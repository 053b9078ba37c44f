"""People who sign in: made by operators, who alone say with which e-mail address.

The address stands in two tables, the user's and the one that sign-in reads; both are written here.
"""

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Exists, OuterRef

from billing.activity import (
    ActivityKind,
    changed,
    facts_of,
    note,
    note_about_person,
)
from billing.models import Account, Membership, Role, User
from billing.refusals import Refusal

PERSON_FACTS = ("email", "first_name", "last_name", "is_active")
OPERATOR_FACTS = ("is_staff", "is_superuser")


class EmailTakenError(Refusal):
    """Somebody else signs in with this address."""


def add_person(
    *, email: str, password: str | None = None, name: str = "", is_operator: bool = False
) -> User:
    """Store a person who signs in with ``email``; operators may do everything.

    Without a ``password``, which only the demonstration gives, nobody signs in with the address
    until its owner has chosen one, by a link. Raises EmailTakenError.
    """
    user = User(first_name=name, is_staff=is_operator, is_superuser=is_operator)
    user.set_password(password)
    set_email(user=user, email=email)
    return user


def set_email(*, user: User, email: str) -> None:
    """Make ``email`` the only address that ``user`` (stored or not) signs in with.

    Whoever sets it vouches for it, so it counts as verified. Whatever else was changed of ``user``
    is stored with it. Raises EmailTakenError.
    """
    email = email.strip().lower()
    if email_taken(email=email, user=user):
        raise EmailTakenError(f"Somebody signs in with {email} already.", field="email")
    with transaction.atomic():
        before = User.objects.filter(pk=user.pk).first()
        user.email = email
        user.save()
        EmailAddress.objects.filter(user=user).exclude(email=email).delete()
        EmailAddress.objects.update_or_create(
            user=user, email=email, defaults={"primary": True, "verified": True}
        )
        note_person(before=before, after=user)


def note_person(*, before: User | None, after: User) -> None:
    """Note that ``after`` was added, or what of them was changed since ``before``.

    Who is an operator is no account's matter, so no account's log says it.
    """
    changes = changed(facts_of(before, *PERSON_FACTS), facts_of(after, *PERSON_FACTS))
    if before is None:
        added = {name: pair for name, pair in changes.items() if pair[1] and name != "email"}
        note(ActivityKind.PERSON_ADDED, account=None, subject=after.email, changes=added)
    elif changes:
        note_about_person(ActivityKind.PERSON_CHANGED, person=after, changes=changes)
    nobody = User(is_staff=False, is_superuser=False)
    rights = changed(facts_of(before or nobody, *OPERATOR_FACTS), facts_of(after, *OPERATOR_FACTS))
    if rights:
        note(
            ActivityKind.OPERATOR_RIGHTS_CHANGED,
            account=None,
            subject=after.email,
            changes=rights,
        )


def person_with(*, email: str) -> User | None:
    """Whoever signs in with ``email``, however it is written; None where nobody does."""
    email = email.strip().lower()
    found = User.objects.filter(email=email).first()
    if found is None:
        vouched = EmailAddress.objects.filter(verified=True, email__iexact=email)
        address = vouched.select_related("user").first()
        found = address.user if address is not None else None
    return found


def pays_alone_for(user: User) -> list[Account]:
    """The accounts of which ``user`` is the only superadmin who can sign in."""
    superadmins = Membership.objects.filter(role=Role.SUPERADMIN)
    others = superadmins.exclude(user=user).filter(user__is_active=True)
    alone = superadmins.filter(~Exists(others.filter(account=OuterRef("account"))), user=user)
    return [membership.account for membership in alone.select_related("account")]


def email_taken(*, email: str, user: User) -> bool:
    """Whether anybody but ``user`` signs in with ``email``.

    One that nobody vouched for doesn't count: who is given it here signs in with it alone.
    """
    others = User.objects.exclude(pk=user.pk)
    addresses = EmailAddress.objects.filter(verified=True).exclude(user=user.pk)
    return others.filter(email=email).exists() or addresses.filter(email__iexact=email).exists()
