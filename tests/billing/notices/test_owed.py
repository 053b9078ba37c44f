"""Which warning a person is owed: as a table, and over random histories against the rule itself."""

import contextlib
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import CreditThreshold, ImportUnderWay, Membership, Notice, Role
from billing.notices import warnings
from billing.notices.due import deliver_due
from billing.notices.making import WAITING
from billing.notices.owed import Reachable, Told, owed
from billing.notices.thresholds import keep_thresholds
from billing.plans.movements import adjust
from tests.factories import AccountFactory, MembershipFactory
from tests.properties import examples

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

ZERO, FIFTH = Reachable("0 credits", 0, 7), Reachable("20 %", 19, 4)


@pytest.mark.parametrize(
    ("balance", "told", "level"),
    [
        (20, [], None),
        (19, [], 19),
        (1, [], 19),
        (0, [], 0),
        (-500, [], 0),
        (19, [Told(5, 19)], None),
        (1, [Told(5, 19)], None),
        (0, [Told(5, 19)], 0),  # of the other one
        (0, [Told(8, 0)], None),
        (-500, [Told(8, 0)], None),
        (1, [Told(8, 0)], None),  # that none were left says that few are
        (19, [Told(3, 19)], 19),  # before the balance was last above it
        (0, [Told(3, 0)], 0),
        (0, [Told(3, 0), Told(8, -2)], None),
        (5, [Told(4, 25)], 19),  # of a balance that was above it, by a higher one
        (5, [Told(4, 15)], None),  # by another level of the same one: the balance has not moved
    ],
)
def test_the_lowest_threshold_that_was_not_told_since_the_balance_was_above_it(
    balance, told, level
):
    found = owed(thresholds=[FIFTH, ZERO], told=told, balance=balance)
    assert (found and found.level) == level


def test_without_thresholds_nothing_is_owed():
    assert owed(thresholds=[], told=[], balance=-500) is None


LEVELS = (0, 5, 12, 30)
BALANCES = (-7, 0, 3, 5, 9, 12, 20, 30, 40)
moves = st.tuples(st.just("move_to"), st.sampled_from(BALANCES))
beats = st.tuples(st.just("beat"), st.sampled_from([True, True, True, False]))
looks = st.tuples(st.just("look"), st.just(True))
edits = st.tuples(st.just("edit"), st.sampled_from(LEVELS))
people = st.tuples(st.just("person"), st.integers(0, 2))
imports = st.tuples(st.just("set_import"), st.booleans())
steps = st.tuples(moves, beats | looks | edits | people | imports, beats)
histories = st.lists(steps, min_size=6, max_size=14)


class World:
    """An account, three people, and what the rule says about them from everything that was."""

    def __init__(self):
        self.account = AccountFactory()
        keep_thresholds(account=self.account)
        self.places = [
            MembershipFactory(account=self.account, role=Role.SUPERADMIN) for _ in range(3)
        ]
        self.balances = []
        self.told: dict[str, list[int]] = {place.user.email: [] for place in self.places}
        self.at = NOW
        for level in LEVELS[1:]:
            self.edit(level)
        self.move_to(max(BALANCES))

    def owed_levels(self, email):
        """By the words of the rule, from the beginning."""
        levels = CreditThreshold.objects.filter(account=self.account, credits__isnull=False)
        return [
            level
            for level in levels.values_list("credits", flat=True)
            if self.balances
            and self.balances[-1] <= level
            and not any(max(self.balances[index:]) <= level for index in self.told[email])
        ]

    def move_to(self, balance):
        moved = balance - (self.balances[-1] if self.balances else 0)
        if not moved:
            return
        self.balances.append(balance)
        adjust(
            account=self.account,
            credits=moved,
            reason="Moved",
            reference=str(len(self.balances)),
            at=self.at,
        )

    def look(self, _=None):
        for account_id in warnings.to_watch(now=self.at):
            assert account_id == self.account.pk
            warnings.watch(account=self.account, now=self.at)

    def mail(self, is_up):
        for notice in Notice.objects.filter(WAITING).order_by("pk"):
            with contextlib.suppress(OSError):
                deliver_due(
                    notice_id=notice.pk, deliver=self.take if is_up else self.refuse, now=self.at
                )

    def beat(self, is_up):
        self.look()
        self.mail(is_up)

    def take(self, notices):
        """What the mail server gets must be owed at that moment, to somebody who wants it."""
        [email] = {notice.address for notice in notices}
        assert Membership.objects.get(user__email=email).receives_credit_mails
        assert not ImportUnderWay.objects.exists()
        [said] = {(notice.context["level"], notice.balance) for notice in notices}
        assert said == (min(self.owed_levels(email)), self.balances[-1])
        self.told[email].append(len(self.balances) - 1)

    def refuse(self, notices):
        raise ConnectionRefusedError

    def edit(self, level):
        threshold, is_new = CreditThreshold.objects.get_or_create(
            account=self.account, credits=level
        )
        if not is_new:
            threshold.delete()

    def person(self, number):
        place = Membership.objects.filter(pk=self.places[number].pk)
        place.update(wants_credit_mails=not place.get().wants_credit_mails)

    def set_import(self, is_under_way):
        ImportUnderWay.objects.all().delete()
        if is_under_way:
            ImportUnderWay.objects.create(account=self.account, moved_at=self.at)


class WhoIsOwedAWarningIsToldOnce(TestCase):
    """Whoever looks when, and however long no mail can be sent."""

    @given(history=histories)
    @examples(20)
    def test_random_histories(self, history):
        with self.settings(MAILS_PER_DAY_MAX=1_000):
            world = World()
            for action, value in chain.from_iterable(history):
                world.at += MINUTE / 10
                getattr(world, action)(value)
            world.set_import(False)
            world.beat(True)
            for place in Membership.objects.filter(wants_credit_mails=True):
                assert world.owed_levels(place.user.email) == []
            before = {email: list(told) for email, told in world.told.items()}
            world.beat(True)
            assert world.told == before
