"""`seed_demo` stores the demonstration where there is nothing yet, whatever day it is."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from billing.accounts.people import add_person
from billing.models import (
    Account,
    Balance,
    LedgerEntry,
)
from billing.notices.levels import CreditState
from dashboard.demo.companies import COMPANIES
from dashboard.demo.story import PASSWORD, Story
from dashboard.demo.traffic import calls_of_day
from tests.dashboard.demo.standing import credit_state_of
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db

# A Monday evening in London: night in Kolkata, afternoon in New York.
NOW = datetime(2026, 11, 23, 20, 40, tzinfo=UTC)


# ── Whatever day it is ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "now",
    [
        datetime(2027, 3, 28, 0, 30, tzinfo=UTC),  # Sunday, half an hour before the clocks change
        datetime(2028, 2, 29, 12, 0, tzinfo=UTC),  # leap day
        datetime(2027, 1, 1, 0, 1, tzinfo=UTC),  # the first minute of a year
        datetime(2027, 7, 31, 23, 59, 59, tzinfo=UTC),  # after midnight in London already
    ],
)
def test_the_small_company_runs_low_on_any_day(default_plans: None, now: datetime) -> None:
    thames = COMPANIES[1]
    people = {
        f"{role}@thames.example": add_person(email=f"{role}@thames.example", password="x")
        for role in ("superadmin", "admin", "member")
    }
    Story(thames, people, now).play()
    assert credit_state_of("thames", now) == CreditState.LOW
    assert not LedgerEntry.objects.filter(occurred_at__gt=now).exists()


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.slug)
def test_the_same_day_has_the_same_calls(company) -> None:
    day = {"traffic": company.traffic, "account_id": 1, "day": NOW.date(), "until": NOW}
    assert calls_of_day(**day) == calls_of_day(**day)


# ── The command ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def development(settings) -> None:
    settings.DEBUG = True


def test_the_command_refuses_to_mix_with_accounts(development: None) -> None:
    AccountFactory()
    with pytest.raises(CommandError, match="There are accounts already"):
        call_command("seed_demo")
    assert Account.objects.count() == 1


def test_if_empty_does_nothing_where_there_are_accounts(development: None, capsys) -> None:
    AccountFactory()
    call_command("seed_demo", "--if-empty")
    assert capsys.readouterr().out == ""
    assert Account.objects.count() == 1


def test_without_debug_the_command_refuses(settings) -> None:
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--force"):
        call_command("seed_demo")
    assert not Balance.objects.exists()


def test_sign_ins_are_not_shown_where_there_are_none(capsys) -> None:
    call_command("seed_demo", "--show-sign-ins")
    assert PASSWORD not in capsys.readouterr().out
