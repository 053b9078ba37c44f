"""Sending what was noticed: what a mail says, how many go out, and what happens when none can."""

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

from billing import alerts, ledger, notices, subscriptions, tasks
from billing.models import CreditWatch, Notice, NoticeKind, Plan
from tests.billing.postings import call, top_up
from tests.child import child_environment
from tests.factories import MembershipFactory
from tests.lifetime import mail_server

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def membership(account, owner):
    return owner.memberships.get()


@pytest.fixture
def noticed(membership):
    """Makes notices, each of something else."""

    def noticed(number=1, *, at=NOW, to=membership, kind=NoticeKind.LOW_CREDITS):
        context = {"threshold": "20 % of the plan's credits", "level": 19}
        if kind == NoticeKind.EXPIRING:
            context = {"credits": 380, "source": "Top-up", "expires_at": "2026-04-09T18:30:00Z"}
        return [
            Notice.objects.create(
                membership=to,
                kind=kind,
                reference=f"{at} {turn} {kind}",
                context=context,
                created_at=at,
            )
            for turn in range(number)
        ]

    return noticed


@pytest.fixture
def smtp(settings):
    """A mail server, and the settings that lead to it."""
    with mail_server.running() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def send(notice, *, at=NOW):
    sent = notices.send(notice_id=notice.pk, now=at)
    notice.refresh_from_db()
    return sent


def parts_of(message):
    """Subject, text and HTML of a mail of Django's test outbox."""
    [(html, kind)] = message.alternatives
    assert kind == "text/html"
    return message.subject, message.body, html


# ── What it says ──────────────────────────────────────────────────────────────────────────────
def test_a_low_credits_mail_has_the_accounts_numbers_in_text_and_html(account, noticed):
    subscriptions.subscribe(account=account, plan=Plan.objects.get(name="Base"), at=NOW - DAY)
    ledger.post(postings=[call(account, "a", 88, at=NOW - HOUR)], posted_at=NOW - HOUR)
    assert send(*noticed())
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
    assert send(*noticed(kind=NoticeKind.EXPIRING))
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


# ── Once, and not too many ────────────────────────────────────────────────────────────────────
def test_a_notice_is_sent_once(noticed):
    [notice] = noticed()
    assert [send(notice) for _ in range(3)] == [True, False, False]
    assert (len(mail.outbox), notice.sent_at) == (1, NOW)


def test_no_more_than_five_mails_a_day_go_to_one_person(noticed, settings):
    settings.MAILS_PER_DAY_MAX = 5
    six = noticed(6)
    assert [send(notice) for notice in six] == [True] * 5 + [False]
    assert six[5].suppressed == "more than 5 mails within a day"
    assert not send(noticed(at=NOW + HOUR)[0], at=NOW + DAY - MINUTE)
    assert send(noticed(at=NOW + DAY)[0], at=NOW + DAY + MINUTE)


def test_the_limit_is_each_persons_own(account, noticed, settings):
    settings.MAILS_PER_DAY_MAX = 1
    other = MembershipFactory(account=account, role="superadmin")
    assert send(*noticed())
    assert send(*noticed(to=other))


def test_the_limit_counts_a_persons_accounts_together(membership, other_account, noticed, settings):
    settings.MAILS_PER_DAY_MAX = 1
    other = MembershipFactory(account=other_account, user=membership.user, role="superadmin")
    assert send(*noticed())
    assert not send(*noticed(to=other))


def test_what_is_suppressed_is_not_tried_again(noticed, settings):
    settings.MAILS_PER_DAY_MAX = 1
    for notice in noticed(2):
        send(notice)
    assert notices.unsent(now=NOW + HOUR) == []


def test_who_switched_mails_off_after_the_notice_gets_none(membership, noticed):
    [notice] = noticed()
    membership.wants_credit_mails = False
    membership.save()
    assert not send(notice)
    assert notice.suppressed == "switched off by the person"
    assert mail.outbox == []


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
    assert notices.unsent(now=later) == [notice.pk]
    assert send(notice, at=later)
    assert notices.unsent(now=later + DAY) == []
    assert len(smtp.received) == 1


def test_a_mail_server_that_is_not_there_leaves_the_notice_for_later(settings, noticed):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = nobody.getsockname()
        [notice] = noticed()
        with pytest.raises(ConnectionRefusedError):
            send(notice)
    assert notices.unsent(now=NOW + 2 * MINUTE) == [notice.pk]


def test_an_outage_is_tried_ever_less_often_and_for_two_days(smtp, noticed):
    noticed()
    smtp.failing, tries, at = "greeting", 0, NOW
    while at < NOW + 3 * DAY:
        for notice_id in notices.unsent(now=at):
            tries += 1
            with pytest.raises(smtplib.SMTPException):
                notices.send(notice_id=notice_id, now=at)
        at += MINUTE if at < NOW + 20 * MINUTE else 15 * MINUTE
    assert 20 < tries < 50
    assert notices.unsent(now=at) == []


def test_a_refused_mail_is_not_counted_against_the_limit(smtp, noticed, settings):
    settings.MAILS_PER_DAY_MAX = 1
    first, second = noticed(2)
    smtp.failing = "data"
    with pytest.raises(smtplib.SMTPException):
        send(first)
    smtp.failing = ""
    assert send(second)


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
from billing import alerts, notices
from billing.models import Account, Notice
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    time.sleep(max(0, job["at"] - time.time()))
    now = datetime.fromisoformat(job["now"])
    made = alerts.watch(account=Account.objects.get(pk=job["account"]), now=now)
    for notice in Notice.objects.order_by("pk"):
        notices.send(notice_id=notice.pk, now=now)
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
    alerts.watch(account=account, now=NOW)
    for turn in range(1, 6):
        at = NOW + turn * HOUR
        ledger.post(postings=[call(account, f"{turn}", 85, at=at)], posted_at=at)
        assert sorted(two_workers(account, at)) == [0, 1]
        assert len(smtp.received) == turn
        ledger.post(postings=[top_up(account, 85, f"top-up:{turn}", at=at)], posted_at=at)
    assert CreditWatch.objects.count() == 1
