"""Opening an account and moving it to another time zone."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from billing.accounts.opening import (
    OpeningError,
    change_time_zone,
    credits_of_opening,
    granted_in_words,
    open_account,
)
from billing.models import Account, CustomTerms, DailyUsage, Plan, Role, User
from billing.plans.tariffs import agreement_at
from tests.billing.waiting import WAIT_SECONDS, until_somebody_waits_for_a_lock
from tests.factories import UserFactory
from tests.movements import NOW, call, post

# In Kolkata this is the next day already.
EVENING = datetime(2026, 3, 9, 20, 0, tzinfo=UTC)


def test_a_new_account_has_plan_credits_and_owner(db: None) -> None:
    owner = UserFactory()
    account = open_account(
        account=Account(name="Acme", slug="acme", time_zone="Europe/London", currency="GBP"),
        plan=Plan.objects.get(name="Professional"),
        owner=owner,
        now=NOW,
    )
    assert account.balance.credits == 1_500
    assert [(m.user, m.role) for m in account.memberships.all()] == [(owner, Role.SUPERADMIN)]


def opening(**changes: Any) -> dict[str, Any]:
    account = Account(name="Acme", slug="acme", time_zone="Asia/Kolkata", currency="INR")
    base = Plan.objects.get(name="Base")
    return {"account": account, "plan": base, "now": NOW, **changes}


def test_an_account_may_begin_in_the_past_and_its_cycles_since_are_granted_in_order(
    db: None,
) -> None:
    start = datetime(2025, 12, 31, 4, tzinfo=UTC)
    facts = opening(starts_at=start)
    foreseen = credits_of_opening(**facts)
    assert granted_in_words(foreseen, facts["account"]) == (
        "The credits of 3 billing cycles are granted: the first began on 31 Dec 2025, 09:30 "
        "Asia/Kolkata, the last on 28 Feb 2026, 09:30 Asia/Kolkata. Of 300 credits, 200 will have "
        "expired and 100 can be used."
    )
    account = open_account(**facts, owner=UserFactory())
    entries = account.entries.order_by("seq")
    assert [(entry.kind, entry.credits, entry.occurred_at) for entry in entries] == [
        ("plan_credits", 100, start),
        ("expiry", -100, datetime(2026, 1, 31, 4, tzinfo=UTC)),
        ("plan_credits", 100, datetime(2026, 1, 31, 4, tzinfo=UTC)),
        ("expiry", -100, datetime(2026, 2, 28, 4, tzinfo=UTC)),
        ("plan_credits", 100, datetime(2026, 2, 28, 4, tzinfo=UTC)),
    ]
    assert account.created_at == NOW
    assert set(entries.values_list("posted_at", flat=True)) == {NOW}


def test_terms_agreed_at_the_opening_count_from_its_start(db: None) -> None:
    terms = {"increment_seconds": 6, "credits_per_increment": 1, "credits_per_cycle": 700}
    start = datetime(2026, 1, 31, 4, tzinfo=UTC)
    facts = opening(starts_at=start, custom_terms=CustomTerms(**terms))
    foreseen = credits_of_opening(**facts)
    assert foreseen is not None
    assert (foreseen.cycles, foreseen.credits, foreseen.expired) == (2, 1_400, 700)
    account = open_account(**facts, owner=UserFactory())
    assert account.balance.credits == 700
    assert agreement_at(account=account, at=start).terms.increment_seconds == 6


@pytest.mark.parametrize("start", [NOW + timedelta(seconds=1), datetime(2016, 3, 1, tzinfo=UTC)])
def test_an_account_begins_neither_in_the_future_nor_ages_ago(db: None, start: datetime) -> None:
    with pytest.raises(OpeningError) as refused:
        open_account(**opening(starts_at=start), owner=UserFactory())
    assert refused.value.field == "starts_at"
    assert not Account.objects.exists()


# ── By command ────────────────────────────────────────────────────────────────────────────────
def by_command(*arguments: str) -> str:
    said = StringIO()
    call_command("open_account", "Acme", "--slug=acme", *arguments, stdout=said)
    return said.getvalue()


def test_an_account_is_opened_by_command_with_a_start_and_terms_of_its_own(db: None) -> None:
    owner = UserFactory()
    today = timezone.now().astimezone(ZoneInfo("Asia/Kolkata")).date()
    arguments = [
        "--plan=enterprise",
        f"--owner={owner.email.upper()}",
        "--time-zone=Asia/Kolkata",
        f"--starts={today - timedelta(days=40)}",
        "--increment-seconds=6",
        "--credits-per-increment=1",
        "--credits-per-cycle=700",
        "--price=1500.50",
    ]
    said = by_command(*arguments, "--dry-run")
    assert said.startswith("Acme (acme) would be open on Enterprise. The credits of 2 billing cycl")
    assert not Account.objects.exists()
    assert "is open on Enterprise" in by_command(*arguments)
    account = Account.objects.get()
    assert (account.balance.credits, account.memberships.get().user) == (700, owner)
    began = account.subscriptions.get().effective_from.astimezone(account.zone)
    assert (began.date(), began.hour) == (today - timedelta(days=40), 0)
    assert account.subscriptions.get().custom_terms.get().prices == {"INR": 150_050}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan=Gold"], "--plan: “Gold” is not on offer. There are: Base, Professional, Ent"),
        (["--owner=nobody@example.com"], "nobody signs in with nobody@example.com"),
        (["--starts=yesterday"], "“yesterday” is no day or time; write 2025-01-03T09:30"),
        (["--starts=2025-02-30"], "is no day or time"),
        (["--starts=2099-01-01"], "--starts: This is in the future"),
        (["--time-zone=Mars"], "--time-zone: “Mars” is not a time zone"),
        (["--currency=XYZ"], "--currency: Three capital letters of ISO 4217"),
        (["--price=5"], "--increment-seconds is missing: own terms need it too"),
        (["--increment-seconds=0", "--credits-per-increment=1"], "--increment-seconds: Ensure"),
        (
            ["--increment-seconds=6", "--credits-per-increment=1", "--price=5.001"],
            "--price: INR has 2 decimals",
        ),
        *(
            (["--increment-seconds=6", "--credits-per-increment=1", f"--price={price}"], said)
            for price, said in (
                ("inf", "--price: “inf” is no amount; write it like 1999.00"),
                ("nan", "--price: “nan” is no amount"),
                ("-3", "--price: “-3” is no amount"),
                ("1,999", "--price: “1,999” is no amount"),
                ("9999999999999", "--price: The price in INR is too much"),
            )
        ),
    ],
)
def test_a_command_that_can_not_be_done_says_what_to_do_and_opens_nothing(
    db: None, arguments: list[str], said: str
) -> None:
    owner = UserFactory()
    with pytest.raises(CommandError, match=re.escape(said)):
        by_command("--plan=Base", f"--owner={owner.email}", *arguments)
    assert not Account.objects.exists()


def test_an_account_with_a_wrong_zone_is_not_opened(db: None) -> None:
    with pytest.raises(ValidationError, match="is not a time zone"):
        open_account(
            account=Account(name="Acme", slug="acme", time_zone="Mars"),
            plan=Plan.objects.get(name="Base"),
            owner=UserFactory(),
            now=NOW,
        )
    assert not Account.objects.exists()


def test_days_are_summed_again_in_the_new_zone(account: Account) -> None:
    post(call(account, "c", 3, at=EVENING), at=NOW)
    assert DailyUsage.objects.get().day == date(2026, 3, 10)
    change_time_zone(account=account, time_zone="America/New_York")
    account.refresh_from_db()
    assert (account.time_zone, DailyUsage.objects.get().day) == (
        "America/New_York",
        date(2026, 3, 9),
    )


def test_a_wrong_zone_changes_nothing(account: Account) -> None:
    with pytest.raises(ValidationError):
        change_time_zone(account=account, time_zone="Mars")
    account.refresh_from_db()
    assert account.time_zone == "Asia/Kolkata"


@pytest.mark.django_db(transaction=True)
def test_a_posting_that_waits_for_the_move_is_summed_in_the_new_zone(
    account: Account, default_plans: None
) -> None:
    post(call(account, "before", 1, at=EVENING), at=NOW)
    moved = Event()

    def move() -> None:
        with transaction.atomic():
            change_time_zone(account=account, time_zone="America/New_York")
            moved.set()
            until_somebody_waits_for_a_lock()
        connection.close()

    def record() -> None:
        assert moved.wait(WAIT_SECONDS)
        post(call(account, "after", 1, at=EVENING), at=NOW)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(move), pool.submit(record)]:
            done.result()
    assert [(row.day, row.calls) for row in DailyUsage.objects.all()] == [(date(2026, 3, 9), 2)]


def test_the_command_adds_its_owner_and_prints_a_link_where_no_mail_goes_out(db: None) -> None:
    command = ("--plan=Base", "--owner=New@example.com", "--add-owner")
    assert "new@example.com would be added" in by_command(*command, "--dry-run")
    assert not User.objects.filter(email="new@example.com").exists()
    said = by_command(*command)
    link = said.split()[-1]
    assert "/accounts/password/reset/key/" in link
    page = Client().get("/" + link.split("/", 3)[3], follow=True)
    assert "<h1>Choose a password</h1>" in page.text
    assert "You sign in with new@example.com." in page.text
    assert not User.objects.get(email="new@example.com").has_usable_password()


def test_the_command_mails_the_link_where_mails_go_out(
    db: None, mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.management.commands.open_account.mails_go_out", lambda: True)
    said = by_command("--plan=Base", "--owner=new@example.com", "--add-owner")
    assert "/reset/key/" not in said
    assert "/reset/key/" in mailoutbox[0].body
