"""Who may bring whom into an account, and that one Superadmin who can sign in always stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from django.db import connection, transaction

from billing.accounts.attempts import (
    FREE_INVITATIONS,
    FREE_INVITATIONS_OF_A_PERSON,
    FREE_INVITATIONS_OF_AN_ACCOUNT,
    TooManyAttempts,
)
from billing.accounts.team import (
    TeamError,
    change_role,
    invite,
    invite_again,
    may_change,
    remove_from_team,
    roles_to_give,
)
from billing.models import Account, Activity, ActivityKind, Membership, Role, User
from tests.billing.waiting import WAIT_SECONDS, until_somebody_waits_for_a_lock
from tests.factories import AccountFactory, MembershipFactory, UserFactory

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
SUPERADMIN, ADMIN, MEMBER = Role.SUPERADMIN, Role.ADMIN, Role.MEMBER


def add(account: Account, role: Role, **person: object) -> Membership:
    return MembershipFactory(account=account, role=role, user=UserFactory(**person))


@pytest.fixture
def boss(account: Account) -> Membership:
    return add(account, SUPERADMIN)


# ── What each role may do ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("own", "given"),
    [(SUPERADMIN, [SUPERADMIN, ADMIN, MEMBER]), (ADMIN, [ADMIN, MEMBER]), (MEMBER, [])],
    ids=str,
)
def test_nobody_gives_a_role_that_they_do_not_have(
    account: Account, own: Role, given: list[Role]
) -> None:
    by, other = add(account, own), add(account, MEMBER)
    assert roles_to_give(by) == given
    for role in Role:
        if role not in given:
            with pytest.raises(TeamError):
                invite(by=by, email="new@example.com", role=role, now=AT)
            with pytest.raises(TeamError):
                change_role(by=by, member=other, role=role)
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.parametrize(
    ("own", "others", "may"),
    [
        (SUPERADMIN, SUPERADMIN, True),
        (SUPERADMIN, MEMBER, True),
        (ADMIN, SUPERADMIN, False),
        (ADMIN, ADMIN, True),
        (ADMIN, MEMBER, True),
        (MEMBER, MEMBER, False),
    ],
    ids=str,
)
def test_only_a_superadmin_changes_or_removes_a_superadmin(
    account: Account, boss: Membership, own: Role, others: Role, may: bool
) -> None:
    by, other = add(account, own), add(account, others)
    assert may_change(by, other) == may
    if may:
        assert change_role(by=by, member=other, role=MEMBER).role == MEMBER
        remove_from_team(by=by, member=other)
    else:
        with pytest.raises(TeamError):
            change_role(by=by, member=other, role=MEMBER)
        with pytest.raises(TeamError):
            remove_from_team(by=by, member=other)
    assert Membership.objects.filter(pk=other.pk).exists() != may


def test_nobody_changes_who_is_in_another_account(boss: Membership) -> None:
    stranger = MembershipFactory()
    with pytest.raises(TeamError, match="not in the team"):
        remove_from_team(by=boss, member=stranger)


def test_what_somebody_was_when_the_page_was_shown_does_not_count(
    account: Account, boss: Membership
) -> None:
    admin, other = add(account, ADMIN), add(account, MEMBER)
    Membership.objects.filter(pk=admin.pk).update(role=MEMBER)
    with pytest.raises(TeamError, match="any more"):
        remove_from_team(by=admin, member=other)


# ── Somebody can always pay ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("other", ["nobody", "admin", "inactive", "invited"])
def test_the_last_superadmin_who_can_sign_in_stays(
    account: Account, boss: Membership, other: str
) -> None:
    if other == "admin":
        add(account, ADMIN)
    if other == "inactive":
        add(account, SUPERADMIN, is_active=False)
    if other == "invited":
        invite(by=boss, email="new@example.com", role=SUPERADMIN, now=AT)
    with pytest.raises(TeamError, match="only Superadmin"):
        remove_from_team(by=boss, member=boss)
    with pytest.raises(TeamError, match="only Superadmin"):
        change_role(by=boss, member=boss, role=ADMIN)
    boss.refresh_from_db()
    assert boss.role == SUPERADMIN


def test_the_last_but_one_superadmin_may_go(account: Account, boss: Membership) -> None:
    add(account, SUPERADMIN)
    remove_from_team(by=boss, member=boss)
    assert account.memberships.count() == 1


Act = Callable[[Membership, Membership], object]


def removes(by: Membership, member: Membership) -> None:
    remove_from_team(by=by, member=member)


def lowers(by: Membership, member: Membership) -> None:
    change_role(by=by, member=member, role=MEMBER)


def leaves(by: Membership, _: Membership) -> None:
    remove_from_team(by=by, member=by)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [removes, lowers, leaves])
def test_of_the_last_two_superadmins_who_act_at_once_one_stays(account: Account, act: Act) -> None:
    one, two = add(account, SUPERADMIN), add(account, SUPERADMIN)
    done = Event()

    def first() -> None:
        with transaction.atomic():
            act(one, two)
            done.set()
            until_somebody_waits_for_a_lock()
        connection.close()

    def second() -> None:
        assert done.wait(WAIT_SECONDS)
        try:
            with pytest.raises(TeamError):
                act(two, one)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(first), pool.submit(second)]:
            each.result()
    assert account.memberships.filter(role=SUPERADMIN).count() == 1


# ── Invitations ───────────────────────────────────────────────────────────────────────────────
def test_who_is_new_is_added_once_and_has_no_password(boss: Membership) -> None:
    member = invite(by=boss, email=" New@Example.com ", role=ADMIN, now=AT)
    assert (member.user.email, member.role, member.account) == (
        "new@example.com",
        ADMIN,
        boss.account,
    )
    assert not member.user.has_usable_password()
    noted = Activity.objects.filter(account=boss.account)
    assert [one.kind for one in noted] == [ActivityKind.MEMBER_INVITED]
    with pytest.raises(TeamError, match="already"):
        invite(by=boss, email="new@example.com", role=MEMBER, now=AT)


def test_who_signs_in_already_is_added(boss: Membership) -> None:
    known = UserFactory(name="known")
    member = invite(by=boss, email="KNOWN@example.com", role=MEMBER, now=AT)
    assert member.user == known
    noted = Activity.objects.filter(account=boss.account)
    assert [one.kind for one in noted] == [ActivityKind.MEMBER_ADDED]
    with pytest.raises(TeamError, match="password already"):
        invite_again(by=boss, member=member, now=AT)


def test_whose_sign_in_is_switched_off_is_not_invited(boss: Membership) -> None:
    UserFactory(name="known", is_active=False)
    with pytest.raises(TeamError, match="switched off") as refused:
        invite(by=boss, email="known@example.com", role=MEMBER, now=AT)
    assert refused.value.field == "email"


@pytest.mark.django_db(transaction=True)
def test_two_accounts_that_invite_one_person_at_once_add_them_once() -> None:
    bosses = [MembershipFactory(role=SUPERADMIN) for _ in range(2)]
    done = Event()

    def first() -> None:
        with transaction.atomic():
            invite(by=bosses[0], email="new@example.com", role=MEMBER, now=AT)
            done.set()
            until_somebody_waits_for_a_lock()
        connection.close()

    def second() -> None:
        assert done.wait(WAIT_SECONDS)
        try:
            invite(by=bosses[1], email="new@example.com", role=MEMBER, now=AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(first), pool.submit(second)]:
            each.result()
    assert User.objects.get(email="new@example.com").memberships.count() == 2


def test_one_address_is_not_sent_mail_after_mail(boss: Membership) -> None:
    member = invite(by=boss, email="new@example.com", role=MEMBER, now=AT)
    for _ in range(FREE_INVITATIONS - 1):
        invite_again(by=boss, member=member, now=AT)
    with pytest.raises(TooManyAttempts):
        invite_again(by=boss, member=member, now=AT)
    invite(by=boss, email="other@example.com", role=MEMBER, now=AT)
    invite_again(by=boss, member=member, now=AT + timedelta(hours=1))


def test_one_account_invites_a_limited_number_of_people(boss: Membership) -> None:
    for number in range(FREE_INVITATIONS_OF_AN_ACCOUNT):
        invite(by=boss, email=f"new{number}@example.com", role=MEMBER, now=AT)
    with pytest.raises(TooManyAttempts):
        invite(by=boss, email="one-more@example.com", role=MEMBER, now=AT)
    other = MembershipFactory(role=SUPERADMIN, account=AccountFactory())
    assert invite(by=other, email="one-more@example.com", role=MEMBER, now=AT)


def test_many_accounts_do_not_flood_one_address(db: None) -> None:
    bosses = [MembershipFactory(role=SUPERADMIN) for _ in range(FREE_INVITATIONS_OF_A_PERSON + 1)]
    for boss in bosses[:-1]:
        invite(by=boss, email="new@example.com", role=MEMBER, now=AT)
    with pytest.raises(TooManyAttempts):
        invite(by=bosses[-1], email="new@example.com", role=MEMBER, now=AT)
