"""An operator withdraws a call that should not be there, and finds those that are withdrawn."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from billing.models import Account, Balance, LedgerEntry, Plan, User
from billing.plans.subscriptions import subscribe
from calls.models import Call
from tests.dashboard.operations.conftest import call_of

CALLS = "/admin/calls/call/"
OPENED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def call(account: Account) -> Call:
    """A call of 3 credits."""
    subscribe(account=account, plan=Plan.objects.get(name="Enterprise"), at=OPENED_AT)
    call_of(account, "wrong")
    return Call.objects.get()


def address(call: Call) -> str:
    return f"{CALLS}{call.pk}/withdraw/"


def test_the_page_of_a_call_leads_there(staff: Client, call: Call) -> None:
    page = staff.get(f"{CALLS}{call.pk}/change/").content.decode()
    assert address(call) in page


def test_the_page_says_what_comes_back(staff: Client, call: Call) -> None:
    page = staff.get(address(call)).content.decode()
    assert "call wrong · 3 credits" in page
    assert "3 credits come back" in page
    assert Call.objects.get().withdrawn_at is None


def test_it_is_withdrawn_told_and_recorded(staff: Client, call: Call) -> None:
    response = staff.post(address(call), {"reason": "Wrong account"}, follow=True)
    assert "Withdrawn: 3 credits came back." in response.content.decode()
    assert Call.objects.get().withdrawn_at is not None
    assert LedgerEntry.objects.get(kind="withdrawal").remarks == "Wrong account"
    assert Balance.objects.get().credits == 0
    assert LogEntry.objects.get().change_message == "Withdrawn, 3 credits back: Wrong account"


def test_without_a_reason_it_is_not(staff: Client, call: Call) -> None:
    response = staff.post(address(call), {"reason": " "})
    assert response.status_code == 200
    assert Call.objects.get().withdrawn_at is None


def test_once_more_says_that_it_is_withdrawn(staff: Client, call: Call) -> None:
    staff.post(address(call), {"reason": "Wrong account"})
    assert "it costs nothing" in staff.get(address(call)).content.decode()
    again = staff.post(address(call), {"reason": "Wrong account"}, follow=True)
    assert "It was withdrawn already." in again.content.decode()
    assert LedgerEntry.objects.filter(kind="withdrawal").count() == 1


def test_only_staff_can(client: Client, owner: User, call: Call) -> None:
    client.force_login(owner)
    assert client.post(address(call), {"reason": "x"}).status_code in (302, 403)
    assert Call.objects.get().withdrawn_at is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {"right", "wrong"}),
        ("?withdrawn=yes", {"wrong"}),
        ("?withdrawn=no", {"right"}),
        ("?withdrawn=nonsense", {"right", "wrong"}),
    ],
)
def test_the_list_is_filtered_by_what_is_withdrawn(
    staff: Client, call: Call, account: Account, asked: str, found: set[str]
) -> None:
    call_of(account, "right")
    staff.post(address(call), {"reason": "Wrong account"})
    response = staff.get(CALLS + asked)
    assert {row.call_id for row in response.context["cl"].result_list} == found


def test_the_ledger_says_so_to_operators(staff: Client, call: Call) -> None:
    staff.post(address(call), {"reason": "Wrong account"})
    page = staff.get("/admin/billing/ledgerentry/").content.decode()
    assert "Withdrawn. Outbound call, 65 s, 3 × 30 s" in page
    assert "Withdrawal: Outbound call, 65 s, 3 × 30 s · Wrong account" in page
