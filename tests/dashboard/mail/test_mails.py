"""The mails about credits: both bodies hold the account's numbers and the ways to act on them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from billing.models import Membership, Plan
from billing.notices import warnings
from billing.plans.subscriptions import subscribe
from dashboard.mail import sending
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def professional(account):
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime(2026, 11, 4, 9, 30, tzinfo=UTC))
    warnings.watch(account=account, now=NOW - DAY)


def use(account, credits, at=NOW, call_id="a"):
    post(call(account, call_id, credits, at), at=at)


def sent(notice_ids, at=NOW):
    for notice_id in notice_ids:
        sending.send(notice_id=notice_id, now=at)
    (message,) = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    ((html, media_type),) = message.alternatives
    assert media_type == "text/html"
    return message, message.body, html


def low_credits(account, used=1_300):
    use(account, used)
    return sent(warnings.watch(account=account, now=NOW))


def expiring(account):
    post(top_up(account, 500), at=NOW - 340 * DAY)
    return sent(warnings.notice_expiring(now=NOW))


def test_low_credits_in_numbers(account, owner, professional):
    message, text, html = low_credits(account)
    assert message.subject == "Acme Voice has 200 credits left"
    assert message.to == ["owner@example.com"]
    for body in (text, html):
        for words in (
            "Acme Voice has 200 credits left",
            "your warning at 20 % of the plan",
            "Used in the last 7 days",
            "1,300 credits",
            "Professional, 1,500 credits a cycle",
        ):
            assert words in body


def test_credits_that_expire_in_numbers(account, owner):
    message, text, html = expiring(account)
    assert message.subject == "500 credits of Acme Voice expire on 18 Dec 2026"
    for body in (text, html):
        for words in ("500 credits", "Top-up, until 18 Dec 2026, 18:00", "those of Asia/Kolkata"):
            assert words in body


@pytest.mark.parametrize("kind", ["low_credits", "expiring"])
def test_both_bodies_lead_straight_to_top_up_usage_and_preferences(
    account, owner, professional, settings, kind
):
    settings.SITE_URL = "https://credits.example"
    message, text, html = {"low_credits": low_credits, "expiring": expiring}[kind](account)
    for path in ("billing/top-up/", "billing/usage/", "settings/notifications/"):
        address = f"https://credits.example/a/acme/{path}"
        assert address in text.split()
        assert f'href="{address}"' in html
    assert message.extra_headers["List-Unsubscribe"] == (
        "<https://credits.example/a/acme/settings/notifications/>"
    )


def test_no_credits_left(account, owner, professional):
    message, _, _ = low_credits(account, used=1_500)
    assert message.subject == "Acme Voice has no credits left"


def test_a_debt_is_said_with_what_pays_it(account, owner, professional):
    message, text, html = low_credits(account, used=1_620)
    assert message.subject == "Acme Voice owes 120 credits"
    for body in (text, html):
        assert "The next credits that are added pay what is owed first." in body


def test_a_name_is_escaped_in_the_html_and_only_there(account, owner, professional):
    account.name = "Fish & <b>Chips</b>"
    account.save()
    message, text, html = low_credits(account)
    assert message.subject == "Fish & <b>Chips</b> has 200 credits left"
    assert "Fish & <b>Chips</b> has 200" in text
    assert "Fish &amp; &lt;b&gt;Chips&lt;/b&gt; has 200" in html
    assert "<b>Chips" not in html


def test_the_use_of_the_mail_is_that_of_the_page_of_the_last_7_days(account, owner, professional):
    use(account, 70, at=NOW - 7 * DAY, call_id="before")
    use(account, 30, at=NOW - 6 * DAY, call_id="first-day")
    _, text, _ = low_credits(account, used=1_200)
    assert "Used in the last 7 days: 1,230 credits" in text


def test_who_switched_the_mails_off_gets_none(account, owner, professional):
    Membership.objects.update(wants_credit_mails=False)
    use(account, 1_300)
    assert warnings.watch(account=account, now=NOW) == []
