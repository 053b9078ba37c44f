"""Warnings of low credits: owed while they are true, and told once, whoever looks when."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from django.db import connection

from billing.models import (
    CreditThreshold,
    CreditWatch,
    CustomTerms,
    ImportUnderWay,
    Membership,
    Notice,
    Plan,
    Role,
    Subscription,
    User,
)
from billing.notices import thresholds, warnings
from billing.notices.due import deliver_due, undelivered
from billing.notices.quiet import STALLED_AFTER, import_under_way
from billing.plans import subscriptions
from billing.plans.movements import bring_up_to_date
from billing.plans.tasks import expire_credits, renew_subscriptions
from calls.imports.importing import import_calls
from calls.sources.canonical import CanonicalCsv
from dashboard.mail.tasks import watch_credits
from tests.factories import MembershipFactory, UserFactory
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Company:
    """An account with 100 credits a cycle, so warned below 20 and at 0, that makes calls."""

    def __init__(self, account, *, credits_per_cycle=100):
        self.account = account
        self.calls = 0
        self.at = START
        subscriptions.subscribe(
            account=account,
            plan=Plan.objects.get(name="Enterprise"),
            at=START,
            custom_terms=CustomTerms(
                increment_seconds=30, credits_per_increment=1, credits_per_cycle=credits_per_cycle
            ),
        )

    def use(self, credits, *, at_once=()):
        """Calls that cost ``credits``, ``*at_once`` in one batch."""
        self.at += HOUR
        calls = []
        for each in (credits, *at_once):
            self.calls += 1
            calls.append(call(self.account, f"call-{self.calls}", each, at=self.at))
        post(*calls, at=self.at)

    def buy(self, credits):
        self.at += HOUR
        post(top_up(self.account, credits), at=self.at)

    def look(self):
        """What is noticed now: the level of each notice made."""
        bring_up_to_date(account=self.account, now=self.at)
        made = warnings.watch(account=self.account, now=self.at)
        return [notice.context["level"] for notice in Notice.objects.filter(pk__in=made)]

    def tell(self):
        """What is told now: the level of each notice that goes out, new or waiting."""
        self.look()
        told = []

        def deliver(notices):
            told.append(notices[0].context["level"])

        for notice in Notice.objects.filter(sent_at=None).order_by("pk"):
            deliver_due(notice_id=notice.pk, deliver=deliver, now=self.at)
        return told

    def agree(self, credits_per_cycle, *, begins=None):
        """Other terms, from now on or later, without any credits moving."""
        CustomTerms.objects.create(
            subscription=Subscription.objects.get(account=self.account),
            effective_from=begins or self.at,
            increment_seconds=30,
            credits_per_increment=1,
            credits_per_cycle=credits_per_cycle,
        )


@pytest.fixture
def company(account, owner):
    company = Company(account)
    assert company.look() == []
    return company


def test_an_account_begins_with_a_fifth_of_its_plan_and_zero(company, account):
    kept = CreditThreshold.objects.filter(account=account)
    assert {str(each) for each in kept} == {"20 % of the plan's credits", "0 credits"}


def test_above_the_thresholds_nothing_is_told(company):
    company.use(80)
    assert company.tell() == []


def test_falling_below_a_fifth_is_told_once(company):
    company.use(81)
    assert company.tell() == [19]
    company.use(1)
    company.use(5)
    assert company.tell() == []
    assert company.tell() == []


def test_the_notice_says_what_was_crossed(company):
    company.use(81)
    company.look()
    notice = Notice.objects.get()
    assert (notice.kind, notice.context) == (
        "low_credits",
        {"threshold": "20 % of the plan's credits", "level": 19},
    )


def test_reaching_zero_is_told_after_low(company):
    company.use(90)
    assert company.tell() == [19]
    company.use(10)
    assert company.tell() == [0]


def test_below_zero_is_told_as_zero_once(company):
    company.use(130)
    assert company.tell() == [0]
    company.use(10)
    assert company.tell() == []


def test_of_several_thresholds_crossed_by_one_call_the_lowest_is_told(company):
    company.use(100)
    assert company.tell() == [0]


def test_a_crossing_within_one_big_batch_is_told_once(company):
    company.use(70, at_once=(9, 1, 1, 1, 1, 1))
    assert company.tell() == [19]


def test_both_crossed_within_one_big_batch_are_one_notice(company):
    company.use(10, at_once=(70, 5, 5, 5, 5, 5))
    assert company.tell() == [0]


def test_rising_above_arms_again(company):
    company.use(81)
    assert company.tell() == [19]
    company.buy(100)
    assert company.tell() == []
    company.use(100)
    assert company.tell() == [19]


def test_rising_to_the_threshold_and_not_above_does_not_arm(company):
    company.use(100)
    assert company.tell() == [0]
    company.buy(19)
    assert company.tell() == []
    company.use(5)
    assert company.tell() == []


def test_rising_and_falling_between_two_looks_is_told_once_more(company):
    company.use(81)
    assert company.tell() == [19]
    company.buy(100)
    company.use(101)
    assert company.tell() == [19]


def test_a_dip_that_is_over_when_somebody_looks_is_not_told(company):
    company.use(90)
    company.buy(100)
    assert company.tell() == []
    company.use(95)
    assert company.tell() == [19]


def test_falling_twice_between_two_looks_is_told_once(company):
    company.use(90)
    company.buy(50)
    company.use(50)
    assert company.tell() == [19]
    assert company.tell() == []


def test_a_long_time_without_anybody_looking_loses_nothing(company):
    for _ in range(12):
        company.use(8)
    assert company.tell() == [19]


def test_thresholds_are_the_accounts_own(company, account, other_account):
    CreditThreshold.objects.create(account=account, credits=50)
    CreditThreshold.objects.create(account=account, percent_of_plan=90)
    company.use(15)
    assert company.tell() == [89]
    company.use(35)
    assert company.tell() == [50]


def test_an_account_that_wants_no_warnings_gets_none(company, account):
    CreditThreshold.objects.filter(account=account).delete()
    company.use(130)
    assert company.tell() == []


def test_without_a_plans_credits_only_numbers_are_thresholds(account, owner):
    post(top_up(account, 10), at=START)
    assert warnings.watch(account=account, now=START) == []
    assert [level for _, level in thresholds.levels(account=account, at=START)] == [0]


def test_the_first_look_at_an_account_that_is_low_already_notices_it(account, owner):
    company = Company(account)
    company.use(50)
    company.use(45)
    assert company.look() == [19]
    assert company.look() == []


def test_the_first_look_does_not_notice_what_was_long_ago(account, owner):
    company = Company(account)
    company.use(100)
    company.buy(500)
    assert company.look() == []


def test_the_end_of_a_cycle_is_no_dip(company, account, clock, tasks_run_here, mailoutbox):
    end = datetime(2026, 4, 1, tzinfo=UTC)
    company.use(30)
    clock.at = end
    for task in (expire_credits, renew_subscriptions, watch_credits):
        task()
    assert Notice.objects.count() == 0


def test_calls_before_a_renewal_that_is_late_are_no_dip(company, account):
    company.at = datetime(2026, 4, 1, tzinfo=UTC)
    company.use(4)
    assert company.look() == []
    company.use(80)
    assert company.look() == [19]


def test_only_accounts_with_something_new_are_looked_at(company, account):
    assert warnings.to_watch(now=company.at) == []
    company.use(1)
    assert warnings.to_watch(now=company.at) == [account.pk]
    company.look()
    assert warnings.to_watch(now=company.at) == []


# ── Who ───────────────────────────────────────────────────────────────────────────────────────
def test_every_superadmin_is_told_and_nobody_else(company, account, owner, admin, member):
    second = MembershipFactory(account=account, role=Role.SUPERADMIN)
    company.use(100)
    company.look()
    told = set(Notice.objects.values_list("address", flat=True))
    assert told == {"owner@example.com", second.user.email}


def test_who_switched_it_off_left_or_has_no_address_is_not_told(company, account, owner):
    owner.memberships.update(wants_credit_mails=False)
    for changes in ({"is_active": False}, {"email": ""}):
        MembershipFactory(account=account, role=Role.SUPERADMIN, user=UserFactory(**changes))
    company.use(100)
    assert company.look() == []


def test_the_mail_goes_out_by_itself(company, clock, tasks_run_here, mailoutbox):
    company.use(81)
    clock.at = company.at
    for _ in range(3):
        watch_credits()
    assert [mail.to for mail in mailoutbox] == [["owner@example.com"]]


@pytest.mark.django_db(transaction=True)  # each account is looked at in a transaction of its own
def test_one_account_that_fails_does_not_keep_others_from_being_looked_at(
    default_plans, company, account, other_account, clock, tasks_run_here, mailoutbox, caplog
):
    post(call(other_account, "x", 5, at=START), at=START)
    other_account.credit_watch = CreditWatch.objects.create(account=other_account)
    type(other_account).objects.filter(pk=other_account.pk).update(time_zone="No/Where")
    company.use(100)
    clock.at = company.at
    watch_credits()
    assert len(mailoutbox) == 1
    type(other_account).objects.filter(pk=other_account.pk).update(time_zone="Europe/London")


# ── Without an entry ──────────────────────────────────────────────────────────────────────────
def test_larger_terms_that_lift_the_threshold_above_the_balance_warn(account, owner):
    company = Company(account, credits_per_cycle=1_000)
    company.use(750)
    assert company.tell() == []  # 250 left: not below 200
    company.agree(5_000)
    assert warnings.to_watch(now=company.at) == [account.pk]
    assert company.tell() == [999]
    assert warnings.to_watch(now=company.at) == []


def test_larger_terms_that_come_later_warn_when_they_come(account, owner):
    company = Company(account, credits_per_cycle=1_000)
    company.use(750)
    begins = company.at + 3 * HOUR
    company.agree(5_000, begins=begins)
    assert company.tell() == []
    assert warnings.to_watch(now=begins - HOUR) == []
    assert warnings.to_watch(now=begins) == [account.pk]
    company.at = begins
    assert company.tell() == [999]


def test_larger_terms_of_a_plan_warn_everyone_on_it(account, owner, other_account, outsider):
    base = Plan.objects.get(name="Base")
    for each in (account, other_account):
        subscriptions.subscribe(account=each, plan=base, at=START)
        post(call(each, "a", 70, at=START), at=START)
        assert warnings.watch(account=each, now=START) == []
    terms = base.terms.get()
    terms.pk, terms.effective_from, terms.credits_per_cycle = None, START + HOUR, 500
    terms._state.adding = True
    terms.save()
    assert warnings.to_watch(now=START) == []
    assert warnings.to_watch(now=START + HOUR) == [account.pk, other_account.pk]
    assert len(warnings.watch(account=account, now=START + HOUR)) == 1


def test_who_was_told_of_the_same_balance_is_not_told_again_for_larger_terms(account, owner):
    company = Company(account, credits_per_cycle=1_000)
    company.use(850)
    assert company.tell() == [199]
    company.agree(5_000)
    assert company.tell() == []
    company.use(100)
    assert company.tell() == []


def test_who_was_told_before_the_balance_rose_is_told_for_larger_terms(account, owner):
    company = Company(account, credits_per_cycle=1_000)
    company.use(850)
    assert company.tell() == [199]
    company.buy(100)
    assert company.tell() == []
    company.agree(5_000)
    assert company.tell() == [999]


def test_smaller_terms_warn_of_nothing_until_their_own_threshold_is_reached(account, owner):
    company = Company(account, credits_per_cycle=1_000)
    company.use(850)
    assert company.tell() == [199]
    company.agree(500)
    assert company.tell() == []
    company.use(51)
    assert company.tell() == [99]


def test_a_threshold_that_is_added_below_the_one_that_was_told_is_told_if_the_balance_fell(
    company, account
):
    company.use(81)
    assert company.tell() == [19]
    company.use(9)
    CreditThreshold.objects.create(account=account, credits=15)
    assert warnings.to_watch(now=company.at) == [account.pk]
    assert company.tell() == [15]


def test_a_threshold_that_is_added_above_the_one_that_was_told_is_not_told(company, account):
    company.use(81)
    assert company.tell() == [19]
    CreditThreshold.objects.create(account=account, credits=60)
    assert company.tell() == []


@pytest.mark.parametrize("join", ["new", "promoted", "switched on", "signs in again"])
def test_who_joins_while_credits_are_low_is_told_and_nobody_else(company, account, join):
    person = UserFactory(is_active=join != "signs in again")
    later = {"account": account, "user": person, "role": Role.SUPERADMIN}
    if join != "new":
        place = MembershipFactory(
            **later | ({"role": Role.MEMBER} if join == "promoted" else {}),
            wants_credit_mails=join != "switched on",
        )
    company.use(81)
    assert company.tell() == [19]
    match join:
        case "new":
            MembershipFactory(**later)
        case "promoted":
            Membership.objects.filter(pk=place.pk).update(role=Role.SUPERADMIN)
        case "switched on":
            Membership.objects.filter(pk=place.pk).update(wants_credit_mails=True)
        case _:
            User.objects.filter(pk=person.pk).update(is_active=True)
    assert warnings.to_watch(now=company.at) == [account.pk]
    assert company.tell() == [19]
    sent = Notice.objects.filter(sent_at__isnull=False).order_by("sent_at", "pk")
    assert [notice.address for notice in sent] == ["owner@example.com", person.email]


def test_who_switches_mails_off_and_on_while_one_waits_gets_it(company, owner):
    company.use(81)
    assert company.look() == [19]
    owner.memberships.update(wants_credit_mails=False)
    assert company.tell() == []
    owner.memberships.update(wants_credit_mails=True)
    assert company.tell() == [19]
    assert company.tell() == []


def test_an_account_in_which_nothing_was_ever_posted_is_warned_of_nothing(account, owner):
    plan = Plan.objects.get(name="Enterprise")
    subscriptions.subscribe(account=account, plan=plan, at=START)
    assert warnings.watch(account=account, now=START) == []


# ── Members who left ──────────────────────────────────────────────────────────────────────────
def test_an_account_that_has_only_history_is_warned_of_nothing(account, owner):
    plan = Plan.objects.get(name="Enterprise")
    subscriptions.subscribe(account=account, plan=plan, at=START)
    post(call(account, "before it was opened", 0, at=START - HOUR), at=START)
    assert warnings.watch(account=account, now=START) == []
    assert warnings.to_watch(now=START) == []
    post(top_up(account, 10), at=START + MINUTE)
    post(call(account, "after", 10, at=START + HOUR), at=START + HOUR)
    assert len(warnings.watch(account=account, now=START + HOUR)) == 1


def test_what_was_sent_is_known_after_the_person_has_left(company, account, owner):
    company.use(81)
    company.tell()
    owner.memberships.all().delete()
    notice = Notice.objects.get()
    assert (notice.address, notice.account, notice.user) == ("owner@example.com", account, owner)
    owner.delete()
    notice.refresh_from_db()
    assert (notice.address, notice.user, notice.balance) == ("owner@example.com", None, 19)


def test_who_has_left_is_not_told_and_who_came_back_not_twice(company, account, owner):
    company.use(81)
    assert company.look() == [19]
    owner.memberships.all().delete()
    assert company.tell() == []
    assert Notice.objects.get().suppressed == "the person has left the account"
    MembershipFactory(account=account, user=owner, role=Role.SUPERADMIN)
    assert company.tell() == [19]
    owner.memberships.all().delete()
    MembershipFactory(account=account, user=owner, role=Role.SUPERADMIN)
    assert company.tell() == []


# ── Imports ───────────────────────────────────────────────────────────────────────────────────
def test_nobody_is_warned_in_the_middle_of_an_import(company, account):
    with import_under_way(account_id=account.pk, clock=lambda: company.at) as moved:
        company.use(100)
        moved()
        assert warnings.to_watch(now=company.at) == []
        assert company.look() == []
        company.buy(500)
    assert warnings.to_watch(now=company.at) == [account.pk]
    assert company.tell() == []


def test_who_is_owed_a_warning_when_an_import_is_done_gets_it(company, account):
    with import_under_way(account_id=account.pk, clock=lambda: company.at):
        company.use(100)
    assert company.tell() == [0]


def test_a_warning_that_waits_does_not_go_out_in_the_middle_of_an_import(company, account):
    company.use(81)
    assert company.look() == [19]
    company.at += HOUR
    with import_under_way(account_id=account.pk, clock=lambda: company.at):
        assert undelivered(now=company.at) == []
        assert company.tell() == []
    assert len(undelivered(now=company.at)) == 1
    assert company.tell() == [19]


def test_an_import_that_was_killed_holds_warnings_back_for_ten_minutes(company, account):
    company.use(100)
    with import_under_way(account_id=account.pk, clock=lambda: company.at) as moved:
        company.at += STALLED_AFTER - MINUTE
        moved()
        company.at += STALLED_AFTER - MINUTE
        assert warnings.to_watch(now=company.at) == []
        company.at += MINUTE
        assert warnings.to_watch(now=company.at) == [account.pk]
        assert company.tell() == [0]


def test_an_import_into_another_account_holds_nothing_back(company, account, other_account):
    company.use(100)
    with import_under_way(account_id=other_account.pk, clock=lambda: company.at):
        assert company.tell() == [0]


def test_of_two_imports_into_an_account_the_last_one_counts(company, account):
    company.use(100)
    with import_under_way(account_id=account.pk, clock=lambda: company.at):
        with import_under_way(account_id=account.pk, clock=lambda: company.at):
            pass
        assert company.tell() == []


def test_a_file_that_is_imported_sends_no_mails_with_sums_in_between(
    company, account, clock, tasks_run_here, mailoutbox
):
    rows = [f"c-{turn},outbound,completed,{START:%FT%TZ},{START:%FT%TZ}," for turn in range(4)]
    ends = f"{START + 25 * timedelta(seconds=30):%FT%TZ}"
    header = "call_id,usage_type,status,started_at,connected_at,ended_at"
    text = "\n".join([header, *(row + ends for row in rows)])
    clock.at = START + HOUR
    source = CanonicalCsv(account_id=account.pk, zone=account.zone, now=clock.at)
    steps = import_calls(
        file=BytesIO(text.encode()), source=source, now=clock.at, batch_size=1, clock=clock.now
    )
    for _ in steps:
        watch_credits()
        assert mailoutbox == []
    watch_credits()
    assert [mail.subject for mail in mailoutbox] == ["Acme Voice has no credits left"]


def test_an_import_that_ends_early_holds_nothing_back(company, account):
    rows = "call_id,usage_type,status,started_at\na,outbound,no_answer,2026-03-01T00:00:00Z\n"
    source = CanonicalCsv(account_id=account.pk, zone=account.zone, now=company.at)
    steps = import_calls(
        file=BytesIO(rows.encode()), source=source, now=company.at, clock=lambda: company.at
    )
    next(steps), next(steps)
    assert ImportUnderWay.objects.count() == 1
    del steps
    assert ImportUnderWay.objects.count() == 0


# ── How much is read ──────────────────────────────────────────────────────────────────────────
def test_what_to_watch_is_found_in_three_queries_by_indexes(
    company, account, django_assert_num_queries
):
    company.use(1)
    with django_assert_num_queries(3) as queries:
        assert warnings.to_watch(now=company.at) == [account.pk]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {queries[0]['sql']}")
        assert "balance_unwatched" in "\n".join(line for (line,) in cursor.fetchall())
