"""The activity log: append-only, in the transaction of its change, by whoever acts, no secrets."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import InternalError, connection, transaction
from django.utils import timezone

from billing.acting import ITSELF, Actor, acting_as, who_acts
from billing.activity import Money, changed, facts_of, gone, new, note, note_about_person
from billing.models import AREAS, Account, Activity, ActivityKind, ActorKind, Role, User
from billing.models.ledger import AppendOnlyError
from tests.factories import MembershipFactory, UserFactory

K = ActivityKind


def noted(account: Account | None = None) -> Activity:
    """The one activity that there is."""
    return Activity.objects.get(account=account)


# ── What is stored ────────────────────────────────────────────────────────────────────────────
def test_every_kind_of_value_is_stored_as_json(account: Account) -> None:
    at = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    facts = new(text="a\nb", number=7, yes=True, none=None, at=at, price=Money(199_900, "INR"))
    note(K.ADJUSTED, account=account, changes={**facts, **new(scopes=["read", "write"])})
    assert noted(account).changes == [
        ["text", None, "a\ufffdb"],
        ["number", None, 7],
        ["yes", None, True],
        ["none", None, None],
        ["at", None, {"at": "2026-11-23T12:30:00+00:00"}],
        ["price", None, {"minor": 199_900, "currency": "INR"}],
        ["scopes", None, ["read", "write"]],
    ]


def test_what_is_equal_before_and_after_is_no_change(account: Account) -> None:
    before = facts_of(account, "name", "slug")
    account.name = "Acme Ltd"
    after = facts_of(account, "name", "slug")
    assert changed(before, after) == {"name": ("Acme Voice", "Acme Ltd")}
    assert gone(name="x") == {"name": ("x", None)}


def test_texts_are_shortened_where_they_are_too_long(account: Account) -> None:
    note(K.ADJUSTED, account=account, subject="s" * 999, reason="r" * 999, changes=new(x="x" * 999))
    one = noted(account)
    assert (len(one.subject), len(one.reason), len(one.changes[0][2])) == (255, 500, 500)
    assert one.subject.endswith("…")


@pytest.mark.parametrize("name", ["password", "new_password", "secret", "api_token", "key_hash"])
def test_a_secret_is_refused(account: Account, name: str) -> None:
    with pytest.raises(AssertionError, match="may be a secret"):
        note(K.ADJUSTED, account=account, changes={name: (None, "x")})


def test_the_time_is_the_databases_own(account: Account) -> None:
    before = timezone.now() - timedelta(seconds=5)
    note(K.ADJUSTED, account=account)
    assert before < noted(account).at < timezone.now() + timedelta(seconds=5)


# ── In the transaction of the change ──────────────────────────────────────────────────────────
@pytest.mark.django_db(transaction=True)
def test_nothing_is_noted_outside_of_a_transaction() -> None:
    with pytest.raises(AssertionError, match="in the transaction"):
        note(K.PACK_ADDED, account=None)


@pytest.mark.django_db(transaction=True)
def test_what_was_not_done_is_not_noted() -> None:
    with transaction.atomic():
        note(K.PACK_ADDED, account=None)
        transaction.set_rollback(True)
    assert not Activity.objects.exists()


# ── Append-only ───────────────────────────────────────────────────────────────────────────────
def test_the_model_refuses_to_change_or_delete_a_row(account: Account) -> None:
    note(K.ADJUSTED, account=account)
    for refused in (
        lambda: noted(account).save(),
        lambda: noted(account).delete(),
        lambda: Activity.objects.update(reason="x"),
        lambda: Activity.objects.all().delete(),
    ):
        with pytest.raises(AppendOnlyError):
            refused()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE billing_activity SET reason = 'x'", "DELETE FROM billing_activity"],
    ids=["update", "delete"],
)
def test_the_database_refuses_too(account: Account, statement: str) -> None:
    note(K.ADJUSTED, account=account)
    with pytest.raises(InternalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert noted(account).reason == ""


# ── Who acts ──────────────────────────────────────────────────────────────────────────────────
def test_whoever_came_through_the_door_is_noted(account: Account, owner: User) -> None:
    with acting_as(lambda: Actor.person(owner, visitor="192.0.2.7")):
        note(K.ADJUSTED, account=account)
    one = noted(account)
    assert (one.by_kind, one.by_user, one.by_name) == (ActorKind.PERSON, owner, owner.email)
    assert one.visitor == "192.0.2.7"
    assert who_acts() == ITSELF


def test_what_runs_without_a_door_acts_by_itself(account: Account) -> None:
    note(K.ADJUSTED, account=account)
    assert (noted(account).by_kind, noted(account).by_user) == (ActorKind.SYSTEM, None)


def test_doors_may_lie_inside_one_another(account: Account, owner: User) -> None:
    key = Actor(kind=ActorKind.KEY, name="Dialler", user_id=owner.pk)
    with acting_as(lambda: Actor.person(owner)), acting_as(lambda: key):
        assert who_acts() == key


def test_what_was_done_to_a_person_stands_in_the_log_of_each_of_their_accounts(
    owner: User, account: Account, other_account: Account
) -> None:
    MembershipFactory(user=owner, account=other_account, role=Role.MEMBER)
    note_about_person(K.PASSWORD_CHANGED, person=owner)
    assert noted(account).subject == noted(other_account).subject == owner.email


def test_of_a_person_without_accounts_it_stands_in_none(db: None) -> None:
    note_about_person(K.PASSWORD_CHANGED, person=UserFactory(name="alone"))
    assert noted().subject == "alone@example.com"


# ── Kinds ─────────────────────────────────────────────────────────────────────────────────────
def test_each_kind_has_an_area_and_fits_its_column() -> None:
    assert sorted(kind for kinds in AREAS.values() for kind in kinds) == sorted(K)
    assert all(kinds for kinds in AREAS.values())
    assert max(map(len, K.values)) <= 40


def test_a_kind_that_is_not_known_any_more_is_shown_as_it_is(account: Account) -> None:
    assert Activity(kind="plan.something_old").label == "plan.something_old"
