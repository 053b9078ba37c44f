"""Superadmins are told once that their account was closed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.accounts.closing import reopen_account
from billing.models import Account, Plan, User
from billing.notices import closings as owed
from billing.plans.subscriptions import subscribe
from calls.closing import close_account
from dashboard.mail import closings
from tests.movements import call, post, top_up

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def closed(account: Account, owner: User, member: User, operator: User) -> Account:
    base = Plan.objects.get(name="Base")
    subscribe(account=account, plan=base, at=NOW - timedelta(days=10))
    post(top_up(account, 50), call(account, "a", 30, NOW), at=NOW)
    return close_account(account=account, by=operator, reason="They left", now=NOW)


def tell(account: Account, at: datetime = NOW) -> bool:
    due = owed.untold(now=at)
    assert due in ([], [account.pk])
    return bool(due) and closings.send(account_id=account.pk, now=at)


def test_they_are_told_once_what_it_means(closed: Account, owner: User, mailoutbox: Any) -> None:
    assert tell(closed)
    assert not tell(closed, NOW + MINUTE)
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == ([owner.email], "Acme Voice is closed")
    assert "Acme Voice was closed on 23 Nov 2026, 18:00 Asia/Kolkata." in mail.body
    assert "- 70 credits (plan credits), until 13 Dec 2026, 18:00 Asia/Kolkata\n" in mail.body
    assert "- 50 credits (top-up), until 23 Nov 2027, 18:00 Asia/Kolkata\n" in mail.body


def test_a_mail_server_that_is_away_delays_it(
    closed: Account, mailoutbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr("django.core.mail.EmailMessage.send", _fail)
        with pytest.raises(OSError, match="away"):
            tell(closed)
    assert not tell(closed, NOW + timedelta(seconds=30))
    assert tell(closed, NOW + 2 * MINUTE)
    assert len(mailoutbox) == 1


def test_of_one_that_was_reopened_nobody_is_told(closed: Account, mailoutbox: Any) -> None:
    reopen_account(account=closed, plan=Plan.objects.get(name="Base"), now=NOW + MINUTE)
    assert not tell(closed, NOW + 2 * MINUTE)
    assert mailoutbox == []


def test_they_are_told_again_when_it_is_closed_again(
    closed: Account, operator: User, mailoutbox: Any
) -> None:
    tell(closed)
    reopen_account(account=closed, plan=Plan.objects.get(name="Base"), now=NOW + MINUTE)
    close_account(account=closed, by=operator, reason="Again", now=NOW + 2 * MINUTE)
    assert tell(closed, NOW + 3 * MINUTE)
    assert len(mailoutbox) == 2


def _fail(*_: Any, **__: Any) -> None:
    raise OSError("the mail server is away")
