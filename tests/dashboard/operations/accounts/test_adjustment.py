"""An operator adds or takes credits, from the account's page."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from billing.models import Account, CreditGrant, Kind, LedgerEntry, User
from tests.dashboard.operations.accounts.conftest import errors, page
from tests.dashboard.operations.conftest import credits_of


def adjustment(**changes: Any) -> dict[str, Any]:
    return {"credits": "50", "reason": "Goodwill", "expires_on": "", "key": str(uuid4()), **changes}


def posted(account: Account) -> list[tuple[int, str]]:
    entries = LedgerEntry.objects.filter(account=account, kind=Kind.ADJUSTMENT).order_by("seq")
    return list(entries.values_list("credits", "remarks"))


@pytest.mark.parametrize(("credits", "balance"), [("50", 150), ("-30", 70), ("-130", -30)])
def test_an_adjustment_adds_or_takes_credits(
    staff: Client, customer: Account, credits: str, balance: int
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(credits=credits))
    assert response.status_code == 302
    assert posted(customer) == [(int(credits), "Goodwill")]
    assert credits_of(customer) == balance


@pytest.mark.parametrize(("credits", "said"), [("1", "Posted +1 credit: "), ("-1", "Posted −1 ")])
def test_one_credit_is_not_called_credits(
    staff: Client, customer: Account, credits: str, said: str
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(credits=credits), follow=True)
    assert said in response.content.decode()


def test_the_same_form_sent_twice_posts_once_and_says_so(staff: Client, customer: Account) -> None:
    form = adjustment()
    staff.post(page(customer, "adjust"), form)
    response = staff.post(page(customer, "adjust"), form, follow=True)
    assert posted(customer) == [(50, "Goodwill")]
    assert "was posted already" in response.content.decode()


def test_a_form_opened_anew_posts_again(staff: Client, customer: Account) -> None:
    keys = {
        str(staff.get(page(customer, "adjust")).context["form"]["key"].value()) for _ in range(2)
    }
    for key in keys:
        staff.post(page(customer, "adjust"), adjustment(key=key))
    assert len(posted(customer)) == 2


def test_who_posted_it_is_in_the_ledger_and_in_the_history(
    staff: Client, customer: Account, operator: User
) -> None:
    staff.post(page(customer, "adjust"), adjustment())
    entry = LedgerEntry.objects.get(account=customer, kind=Kind.ADJUSTMENT)
    assert entry.reference.startswith(f"adjustment:operator-{operator.pk}:")
    logged = LogEntry.objects.get(object_id=str(customer.pk))
    assert (logged.user, logged.change_message) == (
        operator,
        "Posted an adjustment of +50 credits: Goodwill",
    )


def test_credits_added_can_be_used_through_their_last_day_in_the_accounts_zone(
    staff: Client, customer: Account
) -> None:
    last_day = timezone.now().date() + timedelta(days=40)
    staff.post(page(customer, "adjust"), adjustment(expires_on=last_day.isoformat()))
    grant = CreditGrant.objects.get(account=customer, source="adjustment")
    assert grant.expires_at is not None
    local = grant.expires_at.astimezone(customer.zone)
    assert (local.date(), local.hour) == (last_day + timedelta(days=1), 0)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"credits": "0"}, "credits", "An adjustment of 0 credits changes nothing"),
        ({"credits": ""}, "credits", "required"),
        ({"credits": "1e12"}, "credits", "whole number"),
        ({"credits": "1000000000000"}, "credits", "less than or equal to 100000000"),
        ({"credits": "-1000000000000"}, "credits", "greater than or equal to -100000000"),
        ({"credits": "2.5"}, "credits", "whole number"),
        ({"reason": "   "}, "reason", "required"),
        ({"reason": "x" * 501}, "reason", "at most 500 characters"),
        ({"reason": "a\x00b"}, "reason", "Null characters"),
        ({"reason": "a\x07b"}, "reason", "has a control character"),
        ({"reason": "\u200b"}, "reason", "Say why"),
        ({"expires_on": "2020-01-01"}, "expires_on", "Must be in the future"),
        ({"expires_on": "9999-12-31"}, "expires_on", "More than 20 years ahead"),
        ({"expires_on": "soon"}, "expires_on", "valid date"),
        ({"credits": "-5", "expires_on": "2031-01-01"}, "expires_on", "Only credits that are"),
        ({"key": "forged"}, "key", "valid UUID"),
    ],
)
def test_a_wrong_adjustment_is_refused_beside_its_field(
    staff: Client, customer: Account, changes: dict[str, str], field: str, said: str
) -> None:
    response = staff.post(page(customer, "adjust"), adjustment(**changes))
    assert said in str(errors(response)[field])
    assert posted(customer) == []


def test_the_account_of_an_adjustment_must_exist(staff: Client) -> None:
    address = "/admin/billing/account/999999/adjust/"
    assert staff.post(address, adjustment()).status_code == 404
