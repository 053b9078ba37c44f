"""Queries that are put together once say the same as the querysets that they are made of."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.models import OuterRef
from django.test.utils import CaptureQueriesContext

from billing.models import Account, Membership, Plan
from billing.models.plan import PlanTerms
from billing.prepared import Parameter, Prepared, instances, rows_within
from tests.factories import AccountFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("plan_is_kept", [False, True])
def test_values_are_given_each_time(plan_is_kept):
    AccountFactory(name="A"), AccountFactory(name="B", time_zone="Europe/London")
    prepared = Prepared(
        lambda: Account.objects.filter(
            name=Parameter("name"), time_zone__in=[Parameter("zone")]
        ).exclude(name="It's %s no name"),
        plan_is_kept=plan_is_kept,
    )
    assert [one.name for one in prepared(name="A", zone="Asia/Kolkata")] == ["A"]
    assert [one.name for one in prepared(name="B", zone="Europe/London")] == ["B"]
    assert prepared(name="B", zone="Asia/Kolkata") == []
    assert prepared(name="' OR 1=1 --", zone="%s") == []
    AccountFactory(name="It's %s no name", time_zone="Europe/London")
    assert prepared(name="It's %s no name", zone="Europe/London") == []


def test_rows_between_two_offsets_are_those_of_the_slice():
    names = [AccountFactory(name=name).name for name in "ABCDE"]
    prepared = Prepared(lambda: Account.objects.filter(name__gt=Parameter("name")).order_by("name"))
    assert [one.name for one in prepared.between(1, 3, name="A")] == ["C", "D"]
    assert [one.name for one in prepared.between(0, 9, name="B")] == ["C", "D", "E"]
    assert [one.name for one in prepared(name="")] == names


def test_related_rows_come_along_in_one_query():
    member = MembershipFactory()
    prepared = Prepared(
        lambda: Membership.objects.filter(user=Parameter("user_id")).select_related("account")
    )
    prepared(user_id=0)
    with CaptureQueriesContext(connection) as captured:
        (found,) = prepared(user_id=member.user_id)
        assert (found, found.account) == (member, member.account)
    assert len(captured) == 1


def test_it_is_put_together_once():
    made = []

    def make():
        made.append(1)
        return Account.objects.filter(pk=Parameter("pk"))

    prepared = Prepared(make)
    for pk in range(3):
        prepared(pk=pk)
    assert made == [1]


def test_rows_within_a_row_are_the_same_rows():
    own = PlanTerms.objects.filter(plan=OuterRef("pk")).order_by("-effective_from")
    plans = Plan.objects.annotate(rows=rows_within(own))
    assert plans
    for plan in plans:
        stored = list(plan.terms.order_by("-effective_from"))
        assert instances(PlanTerms, plan.rows) == stored
        assert [vars(one)["effective_from"] for one in instances(PlanTerms, plan.rows)] == [
            one.effective_from for one in stored
        ]
        assert [one.prices for one in instances(PlanTerms, plan.rows)] == [
            one.prices for one in stored
        ]


def test_instants_within_a_row_are_exact():
    at = datetime(2026, 10, 25, 0, 30, 0, 123456, tzinfo=UTC)
    account = AccountFactory(created_at=at)
    member = MembershipFactory(account=account)
    found = Membership.objects.annotate(
        accounts=rows_within(Account.objects.filter(pk=OuterRef("account_id")))
    ).get(pk=member.pk)
    (read,) = instances(Account, found.accounts)
    assert read.created_at == at
