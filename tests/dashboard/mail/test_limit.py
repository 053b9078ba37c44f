"""Few mails a day: what is due together goes together, and what exceeds the limit goes later."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from billing.models import Membership, Notice, Plan, Role
from billing.notices import warnings
from billing.plans.subscriptions import subscribe
from dashboard.mail import tasks
from tests.dashboard.mail import mail_server
from tests.factories import AccountFactory, MembershipFactory
from tests.movements import call, post, top_up

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tasks_run_here")]

NOW = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)  # noon in Kolkata
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
YEAR = timedelta(days=365)


@pytest.fixture
def beat(clock):
    """Does what beat does at a time; returns the subjects of the mails that went out."""

    def beat(at=NOW):
        clock.at, before = at, len(mail.outbox)
        tasks.watch_credits()
        tasks.notice_expiring_credits()
        tasks.sweep_notices()
        return [message.subject for message in mail.outbox[before:]]

    return beat


def bought(account, credits=100, *, expires_in):
    """Credits that expire ``expires_in`` from NOW, a year after they were bought."""
    paid_at = NOW + expires_in - YEAR
    post(top_up(account, credits), at=paid_at)


def uses(account, credits, *, at=NOW):
    post(call(account, f"call {at}", credits, at=at), at=at)


@pytest.fixture
def accounts_of(owner):
    """More accounts of the same owner, each with 100 credits that expire in six days."""

    def accounts_of(number):
        found = [AccountFactory(name=f"Company {turn}") for turn in range(number)]
        for account in found:
            MembershipFactory(user=owner, account=account, role=Role.SUPERADMIN)
            bought(account, expires_in=6 * DAY)
            warnings.watch(account=account, now=NOW)
        return found

    return accounts_of


# ── What is due together goes together ────────────────────────────────────────────────────────
def test_eight_top_ups_that_expire_within_the_month_are_one_mail_that_lists_them(
    account, owner, beat
):
    for turn in range(8):
        bought(account, 100 + turn, expires_in=(20 + turn) * DAY)
    assert beat() == ["828 credits of Acme Voice expire between 30 Mar 2026 and 6 Apr 2026"]
    [message] = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    for body in (str(message.body), str(message.alternatives[0][0])):
        assert [f"{100 + turn} credits" in body for turn in range(8)] == [True] * 8
        assert "30 Mar 2026, 12:00" in body
    assert Notice.objects.filter(sent_at=NOW, days_before=30).count() == 8
    assert beat(NOW + HOUR) == []


def test_what_expires_later_on_the_same_day_is_in_the_mail_of_what_expires_first(
    account, owner, beat
):
    bought(account, 100, expires_in=7 * DAY)
    bought(account, 20, expires_in=7 * DAY + 11 * HOUR)
    bought(account, 3, expires_in=7 * DAY + 13 * HOUR)  # after midnight in Kolkata
    assert beat(NOW - MINUTE) == [
        "123 credits of Acme Voice expire between 17 Mar 2026 and 18 Mar 2026"
    ]  # the warning of 30 days, late
    assert beat() == ["120 credits of Acme Voice expire on 17 Mar 2026"]
    assert beat(NOW + 11 * HOUR) == []
    assert beat(NOW + 13 * HOUR) == ["3 credits of Acme Voice expire on 18 Mar 2026"]


def test_each_warning_is_a_mail_of_its_own(account, owner, beat):
    bought(account, 100, expires_in=HOUR)
    bought(account, 20, expires_in=6 * DAY)
    bought(account, 3, expires_in=29 * DAY)
    assert sorted(subject.split()[0] for subject in beat()) == ["100", "20", "3"]


def test_every_owner_gets_the_one_mail(account, owner, beat):
    second = MembershipFactory(account=account, role=Role.SUPERADMIN)
    for turn in range(3):
        bought(account, expires_in=(20 + turn) * DAY)
    beat()
    told = [message.to for message in mail.outbox]
    assert sorted(told) == sorted([[owner.email], [second.user.email]])


# ── Over the limit ────────────────────────────────────────────────────────────────────────────
def test_mails_over_the_limit_go_when_there_is_room_each_once(accounts_of, beat):
    accounts_of(6)
    assert len(beat()) == 4
    assert beat(NOW + DAY - MINUTE) == []
    assert len(beat(NOW + DAY + 2 * MINUTE)) == 2
    assert beat(NOW + DAY + HOUR) == []
    assert len({message.subject for message in mail.outbox}) == 6


def test_the_last_mail_of_a_day_is_kept_for_an_account_without_credits(accounts_of, beat):
    first, *_ = accounts_of(6)
    beat()
    uses(first, 100, at=NOW + MINUTE)
    assert beat(NOW + MINUTE) == ["Company 0 has no credits left"]


def test_never_more_than_the_limit_within_24_hours(accounts_of, beat, settings):
    settings.MAILS_PER_DAY_MAX = 3
    for account in accounts_of(6):
        uses(account, 100)
    sent = [len(beat(NOW + turn * HOUR)) for turn in range(30)]
    assert sum(sent) == 6
    assert all(sum(sent[turn : turn + 24]) <= 3 for turn in range(len(sent)))


def test_when_there_is_room_the_account_without_credits_is_told_first(accounts_of, beat, settings):
    settings.MAILS_PER_DAY_MAX = 1
    *_, last = accounts_of(3)
    assert len(beat()) == 1
    uses(last, 100, at=NOW + HOUR)
    assert beat(NOW + HOUR) == []
    assert beat(NOW + DAY + 2 * MINUTE) == ["Company 2 has no credits left"]


def test_what_does_not_hold_any_more_when_there_is_room_is_not_sent(
    accounts_of, account, owner, beat, settings
):
    settings.MAILS_PER_DAY_MAX = 1
    accounts_of(1)
    beat()
    uses(account, 5)
    assert beat(NOW + MINUTE) == []
    post(top_up(account, 500), at=NOW)
    assert beat(NOW + DAY + 2 * MINUTE) == []
    notice = Notice.objects.get(kind="low_credits")
    assert notice.suppressed == "the balance is above the warning again"


def test_a_warning_that_waited_gives_way_to_the_next_one(accounts_of, account, beat, settings):
    settings.MAILS_PER_DAY_MAX = 1
    bought(account, expires_in=7 * DAY + HOUR)
    accounts_of(1)
    Membership.objects.exclude(account=account).update(wants_credit_mails=False)
    assert len(beat(NOW - DAY)) == 1
    Notice.objects.update(sent_at=None, due_at=NOW + 2 * HOUR)
    assert len(beat(NOW + HOUR)) == 1
    assert beat(NOW + DAY + 2 * HOUR) == []
    assert set(Notice.objects.values_list("days_before", "suppressed")) == {
        (30, "a later warning has taken its place"),
        (7, ""),
    }


def test_the_limit_is_each_persons_own(accounts_of, account, other_account, outsider, beat):
    accounts_of(4)
    bought(other_account, expires_in=6 * DAY)
    assert len(beat()) == 5


def test_a_refused_mail_is_not_counted_against_the_limit(account, owner, beat, settings):
    settings.MAILS_PER_DAY_MAX = 1
    bought(account, expires_in=6 * DAY)
    with mail_server.running() as smtp:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        smtp.failing = "data"
        beat()
        smtp.failing = ""
        beat(NOW + HOUR)
        assert len(smtp.received) == 1


# ── The mail server is away ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("away", [HOUR, 2 * DAY, 7 * DAY])
def test_a_mail_server_that_was_away_only_delays_that_no_credits_are_left(
    account, owner, beat, settings, away
):
    post(top_up(account, 100), at=NOW - DAY)
    beat(NOW - DAY)
    with mail_server.running() as smtp:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        smtp.failing = "greeting"
        uses(account, 100)
        at = NOW
        while at < NOW + away:
            beat(at)
            at += max(HOUR, away / 24)
        uses(account, 500, at=at)
        beat(at)
        smtp.failing = ""
        for hours in range(1, 4):
            beat(at + hours * HOUR)
        assert [message["Subject"] for message in smtp.received] == ["Acme Voice owes 500 credits"]


def test_a_warning_of_credits_that_expire_is_tried_until_they_have(account, owner, beat, settings):
    bought(account, expires_in=6 * DAY)
    with mail_server.running() as smtp:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        smtp.failing = "greeting"
        for hours in range(0, 4 * 24, 4):
            beat(NOW + hours * HOUR)
        smtp.failing = ""
        beat(NOW + 4 * DAY + HOUR)
        assert [message["Subject"] for message in smtp.received] == [
            "100 credits of Acme Voice expire on 16 Mar 2026"
        ]
        smtp.failing = "greeting"
        beat(NOW + 5 * DAY)
        smtp.failing = ""
        beat(NOW + 6 * DAY)
        assert len(smtp.received) == 1
    assert set(Notice.objects.values_list("days_before", "suppressed")) == {
        (7, ""),
        (1, "the credits have expired"),
    }


def test_an_account_that_runs_empty_while_another_warning_waits_is_told_at_once(
    account, owner, accounts_of, beat, settings
):
    settings.MAILS_PER_DAY_MAX = 2
    plan = Plan.objects.get(name="Base")
    subscribe(account=account, plan=plan, at=NOW)
    accounts_of(1)
    assert len(beat()) == 1
    uses(account, 84, at=NOW + MINUTE)
    assert beat(NOW + MINUTE) == []
    uses(account, 16, at=NOW + HOUR)
    assert beat(NOW + HOUR) == ["Acme Voice has no credits left"]
    assert beat(NOW + 2 * DAY) == []
