"""Calls and the ledger are there to be read: found quickly, and never changed."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.models import Account, Balance, CreditGrant, DailyUsage, LedgerEntry, Plan, User
from billing.plans.movements import adjust
from billing.plans.subscriptions import subscribe
from calls.models import Call
from tests.dashboard.operations.conftest import call_of

ENTRIES = "/admin/billing/ledgerentry/"
CALLS = "/admin/calls/call/"
RECORDS = ["billing/ledgerentry", "billing/balance", "billing/creditgrant", "billing/dailyusage"]
# Django's own: "Feb. 1, 2026, 6:20 p.m."
OTHER_FORMAT = re.compile(r"\d{4}, (?:\d{1,2}(?::\d\d)? [ap]\.m\.|noon|midnight)")
OPENED_AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def used(account: Account, other_account: Account) -> None:
    """Two accounts with three calls and an adjustment, on a plan without credits of its own."""
    for one in (account, other_account):
        subscribe(account=one, plan=Plan.objects.get(name="Enterprise"), at=OPENED_AT)
    # 23:50 in Kolkata, then ten minutes past midnight
    call_of(account, "alpha-1", started_at=datetime(2026, 2, 1, 18, 20, tzinfo=UTC))
    call_of(account, "alpha-2", started_at=datetime(2026, 2, 1, 18, 40, tzinfo=UTC))
    call_of(other_account, "alpha-3", started_at=datetime(2026, 2, 1, 12, 0, tzinfo=UTC))
    adjust(account=account, credits=5, reason="Goodwill", reference="gift", at=OPENED_AT)


def found(response: Any, field: str = "reference") -> list[str]:
    assert response.status_code == 200
    return [getattr(row, field) for row in response.context["cl"].result_list]


@pytest.mark.parametrize("model", [*RECORDS, "calls/call"])
def test_records_have_a_list_and_a_page(staff: Client, used: None, model: str) -> None:
    response = staff.get(f"/admin/{model}/")
    assert response.status_code == 200
    row = response.context["cl"].result_list[0]
    assert staff.get(f"/admin/{model}/{row.pk}/change/").status_code == 200


@pytest.mark.parametrize("model", ["billing/creditgrant", "billing/dailyusage"])
def test_large_numbers_are_written_as_on_the_customers_pages(
    staff: Client, account: Account, model: str
) -> None:
    adjust(account=account, credits=1_234_567, reason="Goodwill", reference="gift", at=OPENED_AT)
    response = staff.get(f"/admin/{model}/")
    row = response.context["cl"].result_list[0]
    for text in (response.text, staff.get(f"/admin/{model}/{row.pk}/change/").text):
        assert "1,234,567" in text
        assert ">1234567<" not in text


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("billing/ledgerentry", "1 Jan 2026, 05:30 Asia/Kolkata"),
        ("billing/creditgrant", "1 Jan 2026, 05:30 Asia/Kolkata"),
        ("calls/call", "1 Feb 2026, 23:50:00 Asia/Kolkata"),
        ("calls/call", "1 Feb 2026, 12:00:00 Europe/London"),
    ],
)
def test_times_are_on_the_accounts_clock_and_name_its_zone(
    staff: Client, used: None, model: str, said: str
) -> None:
    response = staff.get(f"/admin/{model}/")
    listed = response.content.decode()
    rows = response.context["cl"].result_list
    single = [staff.get(f"/admin/{model}/{row.pk}/change/").content.decode() for row in rows]
    assert said in listed
    assert any(said in page for page in single)
    assert not [page for page in (listed, *single) if OTHER_FORMAT.search(page)]


def test_times_of_no_account_are_in_utc(staff: Client, owner: User) -> None:
    User.objects.update(date_joined=datetime(2026, 1, 1, 9, 30, tzinfo=UTC), last_login=None)
    page = staff.get(f"/admin/billing/user/{owner.pk}/change/").content.decode()
    assert "1 Jan 2026, 09:30 UTC" in page
    assert not OTHER_FORMAT.search(page)


@pytest.mark.parametrize("model", [*RECORDS, "calls/call"])
def test_records_cannot_be_added_changed_or_deleted(staff: Client, used: None, model: str) -> None:
    pk = staff.get(f"/admin/{model}/").context["cl"].result_list[0].pk
    assert staff.get(f"/admin/{model}/add/").status_code == 403
    assert staff.post(f"/admin/{model}/{pk}/change/", {"credits": "999"}).status_code == 403
    assert staff.post(f"/admin/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
    forged = {"action": "delete_selected", "_selected_action": pk, "post": "yes"}
    staff.post(f"/admin/{model}/", forged)
    counts = [m.objects.count() for m in (LedgerEntry, CreditGrant, Balance, DailyUsage, Call)]
    assert counts == [4, 1, 2, 4, 3]


@pytest.mark.parametrize(
    ("term", "references"),
    [
        ("alpha-", ["call:alpha-3", "call:alpha-2", "call:alpha-1"]),
        ("alpha-2", ["call:alpha-2"]),
        ("call:alpha-2", ["call:alpha-2"]),
        ("adjustment:gift", ["adjustment:gift"]),
        ("lpha", []),
        ("%", []),
        ("' OR 1=1 --", []),
    ],
)
def test_entries_are_found_by_call_or_reference(
    staff: Client, used: None, term: str, references: list[str]
) -> None:
    assert sorted(found(staff.get(ENTRIES, {"q": term}))) == sorted(references)


def test_entries_say_in_words_why_credits_moved_and_who_paid(
    staff: Client, used: None, account: Account
) -> None:
    charge = "Outbound call, 65 s, 3 × 30 s"
    rows = staff.get(ENTRIES, {"account__id__exact": account.pk}).context["cl"].result_list
    assert [(row.words, row.paid_words) for row in rows] == [
        (charge, "2 from the adjustment of 1 Jan (owed until 1 Jan), 1 not paid yet"),
        (charge, "3 from the adjustment of 1 Jan (owed until 1 Jan)"),
        ("Goodwill", ""),
    ]
    page = staff.get(f"{ENTRIES}{rows[0].pk}/change/").content.decode()
    assert charge in page
    assert "2 from the adjustment of 1 Jan (owed until 1 Jan), 1 not paid yet" in page


def test_the_words_of_one_entry_and_of_many_take_the_same_number_of_queries(
    staff: Client, used: None, account: Account
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get(ENTRIES, {"account__id__exact": account.pk}).status_code == 200
        return len(captured)

    few = queries()
    for number in range(30):
        call_of(account, f"more-{number}", started_at=datetime(2026, 2, 2, tzinfo=UTC))
    assert queries() == few


def test_calls_are_found_by_the_start_of_their_id(staff: Client, used: None) -> None:
    assert found(staff.get(CALLS, {"q": "alpha-3"}), "call_id") == ["alpha-3"]


def test_entries_of_one_account_are_in_the_order_of_their_happening(
    staff: Client, used: None, account: Account
) -> None:
    references = found(staff.get(ENTRIES, {"account__id__exact": account.pk}))
    assert references == ["call:alpha-2", "call:alpha-1", "adjustment:gift"]


@pytest.mark.parametrize(
    ("query", "references"),
    [
        ({"kind__exact": "adjustment"}, ["adjustment:gift"]),
        ({"usage_type__exact": "inbound"}, []),
    ],
)
def test_entries_are_filtered(
    staff: Client, used: None, query: dict[str, str], references: list[str]
) -> None:
    assert found(staff.get(ENTRIES, query)) == references


@pytest.mark.parametrize(
    ("days", "references"),
    [
        (("2026-02-01", "2026-02-01"), ["call:alpha-1"]),
        (("2026-02-02", ""), ["call:alpha-2"]),
        (("2026-02-01", "2026-02-02"), ["call:alpha-2", "call:alpha-1"]),
        (("2026-02-03", "2026-02-09"), []),
    ],
)
def test_days_are_those_of_the_account(
    staff: Client, used: None, account: Account, days: tuple[str, str], references: list[str]
) -> None:
    query = {
        "account__id__exact": str(account.pk),
        "occurred_at_from": days[0],
        "occurred_at_to": days[1],
    }
    assert found(staff.get(ENTRIES, query)) == references


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"occurred_at_from": "2026-02-01"}, "Choose an account too"),
        ({"occurred_at_from": "yesterday"}, "is not a day"),
        ({"occurred_at_to": "9999-12-31"}, "is not a day"),
        ({"occurred_at_from": "0001-01-01"}, "is not a day"),
    ],
)
def test_days_that_mean_nothing_are_explained(
    staff: Client, used: None, query: dict[str, str], said: str
) -> None:
    response = staff.get(ENTRIES, query)
    assert said in response.content.decode()
    assert found(response) == []


@pytest.mark.parametrize(
    "query",
    [
        {"account__id__exact": "x"},
        {"account__id__exact": "999999"},
        {"p": "0"},
        {"p": "99999999"},
        {"p": "x"},
        {"o": "1.2.3"},
        {"all": ""},
        {"nonsense": "1"},
        {"kind__exact": "nonsense"},
        {"q": "x" * 5000},
        {"q": "\x00"},
    ],
)
def test_odd_addresses_never_fail(staff: Client, used: None, query: dict[str, str]) -> None:
    assert staff.get(ENTRIES, query, follow=True).status_code == 200


@pytest.mark.parametrize("address", [ENTRIES, CALLS, "/admin/billing/creditgrant/"])
def test_lists_count_no_rows(staff: Client, used: None, address: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.get(address, {"q": "alpha"})
        staff.get(address, {"_facets": "True"})
    assert not [q["sql"] for q in queries if "COUNT(" in q["sql"].upper()]


def test_a_call_explains_its_charge(staff: Client, used: None) -> None:
    call = Call.objects.get(call_id="alpha-1")
    html = staff.get(f"{CALLS}{call.pk}/change/").content.decode()
    assert "65 s, billed as 3 × 30 s at 1 credit = 3 credits" in html


def test_the_title_of_a_call_keeps_the_case_of_its_id(staff: Client, used: None) -> None:
    call = Call.objects.get(call_id="alpha-1")
    html = staff.get(f"{CALLS}{call.pk}/change/").content.decode()
    assert "alpha-1" in html
    assert "Alpha-1" not in html


def test_the_operators_pages_name_their_icon(staff: Client) -> None:
    assert "img/mark.svg" in staff.get("/admin/").content.decode()


@pytest.mark.parametrize("persona", ["owner", "member"])
def test_customers_see_no_records_here(
    client: Client, persona: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(persona))
    assert client.get(ENTRIES).status_code == 302


def test_staff_who_are_no_superusers_are_operators(client: Client, operator: User) -> None:
    operator.is_superuser = False
    operator.save()
    client.force_login(operator)
    assert client.get(ENTRIES).status_code == 200


# ── Nothing there ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("model", [*RECORDS, "calls/call", "billing/topup", "mfa/authenticator"])
def test_an_empty_list_that_nobody_adds_to_offers_nothing_to_add(staff: Client, model: str) -> None:
    page = staff.get(f"/admin/{model}/").content.decode()
    assert re.search(r"There are no [a-z -]+ yet\.", page)
    assert "Create a new item" not in page
    assert "/add/" not in page
    assert "Show all" not in page


def test_an_empty_list_of_what_operators_add_offers_that(staff: Client) -> None:
    page = staff.get("/admin/billing/account/").content.decode()
    assert "There are no accounts yet." in page
    assert "/admin/billing/account/add/" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("q=nothing", "No ledger entries match the search and the filters."),
        ("kind__exact=expiry", "No ledger entries match the search and the filters."),
        ("p=900", "There are no ledger entries on this page."),
    ],
)
def test_a_list_that_only_looks_empty_leads_back_to_all(
    staff: Client, used: None, query: str, said: str
) -> None:
    page = staff.get(f"{ENTRIES}?{query}").content.decode()
    assert said in page
    assert "Show all ledger entries" in page


@pytest.mark.parametrize("address", [f"{ENTRIES}?kind__exact=%00", f"{CALLS}?status__exact=%00"])
def test_a_filter_by_what_no_row_can_hold_finds_nothing(
    staff: Client, used: None, address: str
) -> None:
    assert found(staff.get(address)) == []


def test_an_account_is_not_found_by_what_no_row_can_hold(staff: Client, used: None) -> None:
    asked = "app_label=billing&model_name=ledgerentry&field_name=account"
    response = staff.get(f"/admin/autocomplete/?{asked}&term=%00")
    assert response.json()["results"] == []
