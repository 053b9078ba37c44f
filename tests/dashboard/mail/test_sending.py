"""Sending what was noticed: what a mail says, whether it still holds, and when none can be sent."""

import json
import smtplib
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core import mail

from billing.models import CreditGrant, CreditWatch, Notice, NoticeKind, Plan
from billing.notices import warnings
from billing.notices.due import undelivered
from billing.plans import subscriptions
from dashboard.mail import sending, tasks
from tests.child import child_environment
from tests.dashboard.mail import mail_server
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def membership(account, owner):
    return owner.memberships.get()


@pytest.fixture
def low(account, owner):
    """Uses credits of the 100 of a plan, and returns the notice that is made of that."""
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW - DAY)

    def low(credits, *, at=NOW):
        post(call(account, f"{credits} at {at}", credits, at=at), at=at)
        [notice_id] = warnings.watch(account=account, now=at)
        return Notice.objects.get(pk=notice_id)

    return low


@pytest.fixture
def noticed(membership):
    """Makes notices of 380 credits that expire, each for a mail of its own."""

    def noticed(number=1, *, at=NOW, to=membership):
        return [_expiring(to, days, at) for days in range(1, number + 1)]

    return noticed


def _expiring(membership, days, at):
    """``days`` sets apart what would go together."""
    account = membership.account
    reference = f"{at} {days}"
    post(top_up(account, 380, datetime(2025, 4, 9, 18, 30, tzinfo=UTC)), at=at)
    grant = CreditGrant.objects.latest("pk")
    assert grant.expires_at is not None
    return Notice.objects.create(
        account=account,
        user=membership.user,
        address=membership.user.email,
        kind=NoticeKind.EXPIRING,
        reference=reference,
        grant=grant,
        days_before=days,
        context={"expires_at": grant.expires_at.isoformat()},
        created_at=at,
        due_at=at,
    )


@pytest.fixture
def smtp(settings):
    """A mail server, and the settings that lead to it."""
    with mail_server.running() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def send(notice, *, at=NOW):
    sent = sending.send(notice_id=notice.pk, now=at)
    notice.refresh_from_db()
    return sent


def parts_of(message):
    """Subject, text and HTML of a mail of Django's test outbox."""
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return message.subject, message.body, html


# ── What it says ──────────────────────────────────────────────────────────────────────────────
def test_a_low_credits_mail_has_the_accounts_numbers_in_text_and_html(account, low):
    assert send(low(88))
    subject, text, html = parts_of(mail.outbox[0])
    assert "Acme Voice" in subject
    for part in (text, html):
        assert "20 % of the plan" in part
        assert "12" in part
        assert "88 credits" in part
        assert "Base" in part
        assert "http://localhost:8000/a/acme/billing/top-up/" in part
        assert "http://localhost:8000/a/acme/settings/notifications/" in part
    assert "<" not in text


def test_an_expiry_mail_says_what_expires_when_on_the_accounts_own_clock(noticed):
    assert send(*noticed())
    subject, text, html = parts_of(mail.outbox[0])
    assert "380 credits" in subject
    for part in (text, html):
        assert "10 Apr 2026, 00:00" in part  # 18:30 UTC in Kolkata
        assert "http://localhost:8000/a/acme/billing/top-up/" in part


def test_a_mail_tells_mail_programs_how_to_end_them(noticed):
    send(*noticed())
    assert mail.outbox[0].extra_headers["List-Unsubscribe"] == (
        "<http://localhost:8000/a/acme/settings/notifications/>"
    )


def test_a_name_with_markup_and_line_breaks_is_text(account, noticed):
    type(account).objects.update(name="<b>A & B</b>\nBcc: x@example.com")
    send(*noticed())
    subject, text, html = parts_of(mail.outbox[0])
    assert "\n" not in subject
    assert "<b>A & B</b>" in text
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in html
    assert mail.outbox[0].recipients() == ["owner@example.com"]


# ── Once, and only what still holds ───────────────────────────────────────────────────────────
def test_a_notice_is_sent_once(noticed):
    [notice] = noticed()
    assert [send(notice) for _ in range(3)] == [True, False, False]
    assert (len(mail.outbox), notice.sent_at) == (1, NOW)


def test_two_crossings_that_wait_are_one_mail_of_the_lower(account, low):
    higher, lower = low(81), low(19, at=NOW + MINUTE)
    assert send(higher, at=NOW + HOUR)
    assert not send(lower, at=NOW + HOUR)
    assert lower.sent_at == NOW + HOUR
    [message] = mail.outbox
    assert "your warning at 0 credits" in message.body


def switched_off(membership):
    membership.wants_credit_mails = False


def no_superadmin(membership):
    membership.role = "admin"


def no_longer_active(membership):
    membership.user.is_active = False


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (switched_off, "switched off by the person"),
        (no_superadmin, "the person is no active superadmin any more"),
        (no_longer_active, "the person is no active superadmin any more"),
    ],
)
def test_who_is_not_to_be_told_any_more_gets_none(membership, noticed, change, why):
    [notice] = noticed()
    change(membership)
    membership.save()
    membership.user.save()
    assert not send(notice)
    assert (notice.suppressed, mail.outbox) == (why, [])


def test_an_account_that_has_topped_up_above_the_warning_gets_no_mail(account, low):
    notice = low(100)
    post(top_up(account, 20), at=NOW)
    assert not send(notice)
    assert notice.suppressed == "the balance is above the warning again"


def test_a_top_up_that_is_too_small_changes_the_figure_in_the_mail(account, low):
    notice = low(100)
    post(top_up(account, 19), at=NOW)
    assert send(notice)
    assert mail.outbox[0].subject == "Acme Voice has 19 credits left"


def test_a_mail_goes_to_the_address_that_the_person_has_when_it_is_sent(owner, low):
    notice = low(100)
    type(owner).objects.update(email="moved@example.com")
    assert send(notice)
    assert (mail.outbox[0].to, notice.address) == (["moved@example.com"], "moved@example.com")


def test_credits_that_were_used_up_meanwhile_are_not_said_to_expire(account, noticed):
    [notice] = noticed()
    post(call(account, "a", 380, at=NOW), at=NOW)
    assert not send(notice)
    assert notice.suppressed == "the credits are used up"


def test_credits_that_have_expired_are_not_said_to_expire(noticed):
    [notice] = noticed()
    assert not send(notice, at=notice.grant.expires_at)
    assert notice.suppressed == "the credits have expired"


# ── When none can be sent ─────────────────────────────────────────────────────────────────────
def test_a_mail_arrives_in_text_and_html(smtp, noticed):
    send(*noticed())
    [message] = smtp.received
    assert message["To"] == "owner@example.com"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


@pytest.mark.parametrize("failing", ["greeting", "recipient", "data"])
def test_what_the_mail_server_refuses_is_sent_later_and_once(smtp, noticed, failing):
    [notice] = noticed()
    smtp.failing = failing
    with pytest.raises(smtplib.SMTPException):
        send(notice)
    notice.refresh_from_db()
    assert (notice.sent_at, notice.tried_at) == (None, NOW)
    smtp.failing = ""
    later = NOW + 2 * MINUTE
    assert undelivered(now=later) == [notice.pk]
    assert send(notice, at=later)
    assert undelivered(now=later + DAY) == []
    assert len(smtp.received) == 1


def test_a_mail_server_that_is_not_there_leaves_the_notice_for_later(settings, noticed):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody.getsockname()
        [notice] = noticed()
        with pytest.raises(ConnectionRefusedError):
            send(notice)
    assert undelivered(now=NOW + 2 * MINUTE) == [notice.pk]


def test_an_outage_of_a_week_is_tried_ever_less_often_and_only_delays_a_mail(smtp, noticed):
    noticed()
    smtp.failing, tries, at = "greeting", 0, NOW
    while at < NOW + 7 * DAY:
        for notice_id in undelivered(now=at):
            tries += 1
            with pytest.raises(smtplib.SMTPException):
                sending.send(notice_id=notice_id, now=at)
        at += MINUTE if at < NOW + 20 * MINUTE else 15 * MINUTE
    assert 20 < tries < 200
    smtp.failing = ""
    [notice_id] = undelivered(now=at + HOUR)
    assert sending.send(notice_id=notice_id, now=at + HOUR)
    assert len(smtp.received) == 1


def test_the_sweeper_sends_what_was_lost_on_its_way(noticed, clock, tasks_run_here):
    noticed(2)
    clock.at = NOW + 30 * timedelta(seconds=1)
    tasks.sweep_notices()
    assert len(mail.outbox) == 0
    clock.at = NOW + 61 * timedelta(seconds=1)
    for _ in range(2):
        tasks.sweep_notices()
    assert len(mail.outbox) == 2


# ── Two at once ───────────────────────────────────────────────────────────────────────────────
TWO_AT_ONCE = """
import json, sys, time
import django
django.setup()
from datetime import datetime
from django.conf import settings
from billing.models import Account, Notice
from billing.notices import warnings
from dashboard.mail import sending
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    time.sleep(max(0, job["at"] - time.time()))
    now = datetime.fromisoformat(job["now"])
    made = warnings.watch(account=Account.objects.get(pk=job["account"]), now=now)
    for notice in Notice.objects.order_by("pk"):
        sending.send(notice_id=notice.pk, now=now)
    print(len(made), flush=True)
"""


@pytest.fixture
def two_workers(smtp):
    """Two processes that look and send at the same moment: returns how many notices each made."""
    environment = child_environment(
        EMAIL_URL=f"smtp://127.0.0.1:{smtp.port}", MAILS_PER_DAY_MAX="100"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_AT_ONCE],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    def answers():
        return [str(process.stdout and process.stdout.readline()).strip() for process in processes]

    def work(account, now):
        job = {"account": account.pk, "now": now.isoformat(), "at": time.time() + 0.05}
        for process in processes:
            assert process.stdin
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        return [int(answer) for answer in answers()]

    assert answers() == ["ready", "ready"]
    yield work
    for process in processes:
        process.communicate(timeout=30)


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_make_one_notice_and_one_mail(
    default_plans, account, owner, smtp, two_workers
):
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW)
    warnings.watch(account=account, now=NOW)
    for turn in range(1, 6):
        at = NOW + turn * HOUR
        post(call(account, f"{turn}", 85, at=at), at=at)
        assert sorted(two_workers(account, at)) == [0, 1]
        assert len(smtp.received) == turn
        post(top_up(account, 85), at=at)
    assert CreditWatch.objects.count() == 1
