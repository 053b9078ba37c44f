"""The list of imports and the page of one: who sees it, what it says, what can be done."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, Balance, User
from calls.imports import steps, uploads
from calls.models import Call, FileImport, ImportState
from tests.dashboard.imports.conftest import imported, own_csv, tried, uploaded, worked

LIST = "/a/acme/calls/imports/"


def page_of(file_import: FileImport, slug: str = "acme", name: str = "import_page") -> str:
    return reverse(f"dashboard:{name}", args=[slug, file_import.public_id])


def press(client: Client, file_import: FileImport, do: str) -> Any:
    return client.post(page_of(file_import), {"do": do})


def credits_of(account: Account) -> int:
    return Balance.objects.get(account=account).credits


# ── Who ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("person", ["owner", "admin", "operator"])
def test_those_who_manage_an_account_and_operators_import(
    client: Client, customer: Account, person: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(person))
    file_import = uploaded(customer, own_csv("c1"))
    assert client.get(LIST).status_code == 200
    assert client.get(page_of(file_import)).status_code == 200
    assert press(client, file_import, "try").status_code == 302
    worked(file_import)
    assert press(client, file_import, "import").status_code == 302
    assert worked(file_import).state == ImportState.DONE
    assert file_import.summary["created"] == 1


def test_a_member_is_told_who_can_help(
    client: Client, customer: Account, owner: User, admin: User, member: User
) -> None:
    client.force_login(member)
    response = client.get(LIST)
    assert response.status_code == 403
    assert [person.user for person in response.context["people"]] == [admin, owner]
    assert "Calls are imported by a Superadmin or an Admin" in response.text


def test_a_member_can_not_act(client: Client, customer: Account, member: User) -> None:
    file_import = uploaded(customer, own_csv("c1"))
    client.force_login(member)
    for do in ("try", "delete"):
        assert press(client, file_import, do).status_code == 403
    file_import.refresh_from_db()
    assert (file_import.state, file_import.file_deleted_at) == (ImportState.READY, None)


def test_a_member_gets_no_bare_data(client: Client, customer: Account, member: User) -> None:
    file_import = imported(customer, own_csv("c1") + b"bad\n")
    client.force_login(member)
    assert client.get(page_of(file_import, name="import_rejects")).status_code == 403
    assert client.post("/a/acme/calls/imports/begin/", {"name": "x", "size": 1}).status_code == 403


def test_a_member_is_not_led_to_imports(client: Client, customer: Account, member: User) -> None:
    client.force_login(member)
    assert LIST not in client.get("/a/acme/").text


def test_those_who_manage_an_account_are_led_to_imports(manager: Client) -> None:
    assert f'href="{LIST}"' in manager.get("/a/acme/").text


@pytest.mark.parametrize("name", ["import_page", "import_rejects", "import_take_back"])
def test_an_import_of_another_account_is_not_found(
    client: Client, customer: Account, outsider: User, name: str
) -> None:
    file_import = imported(customer, own_csv("c1"))
    client.force_login(outsider)
    assert client.get(page_of(file_import, name=name)).status_code == 404
    assert client.get(page_of(file_import, "other", name=name)).status_code == 404


def test_an_import_of_another_account_can_not_be_moved(
    client: Client, customer: Account, outsider: User
) -> None:
    file_import = uploaded(customer, own_csv("c1"))
    client.force_login(outsider)
    for slug in ("acme", "other"):
        assert client.post(page_of(file_import, slug), {"do": "try"}).status_code == 404
    file_import.refresh_from_db()
    assert file_import.state == ImportState.READY


def test_an_import_that_does_not_exist_is_not_found(manager: Client) -> None:
    assert manager.get(reverse("dashboard:import_page", args=["acme", uuid4()])).status_code == 404


def test_an_operator_sees_only_what_is_theirs_to_open(
    client: Client, customer: Account, operator: User
) -> None:
    client.force_login(operator)
    page = client.get(LIST).text
    assert "/a/acme/billing/" not in page
    assert f'href="{reverse("admin:index")}"' in page
    assert "account" not in client.session  # nobody is led back to an account that is not theirs


# ── The list ──────────────────────────────────────────────────────────────────────────────────
def test_an_empty_list_says_what_can_be_imported(manager: Client) -> None:
    page = manager.get(LIST).text
    assert "Nothing was imported yet" in page
    assert "CSV with our columns" in page


def test_the_list_tells_who_when_what_and_what_it_cost(
    manager: Client, customer: Account, admin: User
) -> None:
    imported(customer, own_csv("c1", "c2"), name="november.csv", by=admin)
    [row] = manager.get(LIST).context["rows"]
    assert (row.file_import.file_name, row.by) == ("november.csv", admin.email)
    assert (row.state, row.calls, row.credits) == ("Imported", 2, 4)
    assert row.words == "2 calls recorded, for 4 credits."


def test_the_list_says_that_a_file_waits_for_an_answer(manager: Client, customer: Account) -> None:
    unknown = b"Ref;Begin;Talk time\nC-1;2026-11-20 10:00:00;65\nC-2;2026-11-20 10:01:00;5\n"
    assert worked(uploaded(customer, unknown)).examined["questions"]
    [row] = manager.get(LIST).context["rows"]
    assert row.state == "Waits for an answer"


def test_the_list_has_pages_at_real_addresses(manager: Client, customer: Account) -> None:
    now = timezone.now()
    FileImport.objects.bulk_create(
        FileImport(
            account=customer, file_name=f"{n}.csv", state="ready", created_at=now, moved_at=now
        )
        for n in range(21)
    )
    assert len(manager.get(LIST).context["rows"]) == 20
    assert len(manager.get(f"{LIST}?page=2").context["rows"]) == 1
    assert manager.get(f"{LIST}?page=9")["Location"] == f"{LIST}?page=2"


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_list_takes_as_many_queries_for_many_imports_as_for_one(
    manager: Client, customer: Account, admin: User
) -> None:
    imported(customer, own_csv("c1"), by=admin)
    manager.get(LIST)
    one = queries_of(manager, LIST)
    for n in range(5):
        imported(customer, own_csv(f"d{n}"), by=admin)
    assert queries_of(manager, LIST) == one


def test_the_page_takes_as_many_queries_for_many_calls_as_for_one(
    manager: Client, customer: Account
) -> None:
    few = imported(customer, own_csv("c1"))
    many = imported(customer, own_csv(*(f"d{n}" for n in range(300))))
    manager.get(page_of(few))
    assert queries_of(manager, page_of(many)) == queries_of(manager, page_of(few))


# ── Trial run and import ──────────────────────────────────────────────────────────────────────
def test_the_page_shows_the_first_lines_as_they_are_understood(
    manager: Client, customer: Account
) -> None:
    file_import = uploaded(customer, own_csv("c1", "c2"))
    response = manager.get(page_of(file_import))
    rows = response.context["page"].sample.rows
    assert [row.call.call_id for row in rows] == ["c1", "c2"]
    assert [(row.direction, row.outcome, row.talk) for row in rows] == [
        ("Outbound", "Answered", timedelta(seconds=60))
    ] * 2
    assert "10 Nov 2026, 09:30:00" in response.text


def test_a_line_that_is_no_call_says_why_in_its_row(manager: Client, customer: Account) -> None:
    file_import = uploaded(customer, own_csv("c1") + b"c2,outbound,completed,soon,,\n")
    [_, bad] = manager.get(page_of(file_import)).context["page"].sample.rows
    assert bad.call is None
    assert "started_at" in bad.reason
    assert "soon" in bad.text


@pytest.mark.parametrize("end", [b"\xe9,,\n", b"\xc3"])
def test_a_line_with_a_byte_that_is_no_text_is_shown_all_the_same(
    manager: Client, customer: Account, end: bytes
) -> None:
    """It is the only fault in a text that is UTF-8."""
    good = own_csv("č" * 50).replace(b"\n", b",\n")
    file_import = uploaded(customer, good + b"c2,outbound,completed,2026-11-10T09:30:00,," + end)
    response = manager.get(page_of(file_import))
    [_, bad] = response.context["page"].sample.rows
    assert bad.call is None
    assert "\ufffd" in bad.text
    assert manager.get(page_of(file_import, name="import_mapping")).status_code == 200


def test_a_trial_run_says_what_would_happen_and_records_nothing(
    manager: Client, customer: Account
) -> None:
    file_import = tried(customer, own_csv("c1", "c2") + b"c3,outbound,completed,soon,,\n")
    before = credits_of(customer)
    response = manager.get(page_of(file_import))
    page = response.context["page"]
    assert page.sentence == "Importing it would record 2 calls and leave out 1 line, for 4 credits."
    assert page.import_words == "Import 2 calls"
    assert [(reason.field, reason.lines, reason.line) for reason in page.outcome.reasons] == [
        ("started_at", 1, 4)
    ]
    facts = {fact.name: fact.said for fact in page.outcome.facts}
    assert facts["Balance"] == f"{before:,} credits now → {before - 4:,} credits afterwards"
    assert facts["Calls made"] == "First 10 Nov 2026, last 10 Nov 2026"
    assert not Call.objects.exists()
    assert credits_of(customer) == before


def test_a_balance_that_would_go_below_zero_is_warned_of(
    manager: Client, customer: Account
) -> None:
    file_import = tried(customer, own_csv(*(f"c{n}" for n in range(800))))
    [balance] = [
        fact
        for fact in manager.get(page_of(file_import)).context["page"].outcome.facts
        if fact.name == "Balance"
    ]
    assert balance.warning == "below zero"
    assert balance.said == "1,500 credits now → 100 credits owed afterwards"


def test_a_file_whose_calls_are_known_offers_nothing_to_import(
    manager: Client, customer: Account
) -> None:
    imported(customer, own_csv("c1"))
    again = tried(customer, own_csv("c1"))
    page = manager.get(page_of(again)).context["page"]
    assert page.sentence == "Importing it would leave 1 call as it is, for 0 credits."
    assert page.import_words == ""


def test_an_import_ends_with_a_link_to_exactly_its_calls(
    manager: Client, customer: Account
) -> None:
    file_import = imported(customer, own_csv("c1"))
    page = manager.get(page_of(file_import)).context["page"]
    assert page.sentence == "1 call recorded, for 2 credits."
    assert page.calls_url == (
        f"/a/acme/billing/usage/?import={file_import.public_id}"
        "&period=custom&from=2026-11-10&to=2026-11-10"
    )


def test_lines_left_out_can_be_downloaded(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1") + b"c2,outbound,completed,soon,,\n")
    response = manager.get(page_of(file_import, name="import_rejects"))
    assert response["Content-Disposition"] == 'attachment; filename="left-out-of-calls.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    text = response.getvalue().decode()
    assert "c2,outbound,completed,soon" in text
    assert "c1" not in text


def test_a_file_that_can_not_be_read_says_so_and_what_to_do(
    manager: Client, customer: Account
) -> None:
    file_import = uploaded(customer, b"\n\n")
    response = manager.get(page_of(file_import))
    assert response.context["page"].sentence == file_import.said != ""
    assert "Choose another file" in response.text


def test_what_is_no_longer_possible_is_refused_with_how_it_stands(
    manager: Client, customer: Account
) -> None:
    file_import = imported(customer, own_csv("c1"))
    response = press(manager, file_import, "try")
    assert response.status_code == 409
    assert "be tried" in response.context["problem"]


@pytest.mark.parametrize("do", ["", "nothing"])
def test_an_unknown_button_does_nothing(manager: Client, customer: Account, do: str) -> None:
    file_import = uploaded(customer, own_csv("c1"))
    assert press(manager, file_import, do).status_code == 200
    file_import.refresh_from_db()
    assert file_import.state == ImportState.READY


# ── While it moves ────────────────────────────────────────────────────────────────────────────
def look_again(client: Client, file_import: FileImport, shown: str) -> Any:
    return client.get(page_of(file_import) + f"?shown={shown}", headers={"HX-Request": "true"})


def test_a_page_that_looks_again_gets_only_how_far_it_is(
    manager: Client, customer: Account
) -> None:
    file_import = tried(customer, own_csv("c1"))
    file_import = steps.start(file_import=file_import, by=None, now=timezone.now())
    page = manager.get(page_of(file_import)).context["page"]
    assert page.look_again_url in manager.get(page_of(file_import)).text
    response = look_again(manager, file_import, page.shown)
    assert response.text.lstrip().startswith('<div class="upload-progress" id="progress"')
    assert "HX-Retarget" not in response


def test_a_page_that_looks_again_gets_all_of_it_once_it_stands_otherwise(
    manager: Client, customer: Account
) -> None:
    file_import = tried(customer, own_csv("c1"))
    file_import = steps.start(file_import=file_import, by=None, now=timezone.now())
    shown = manager.get(page_of(file_import)).context["page"].shown
    worked(file_import)
    response = look_again(manager, file_import, shown)
    assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#import", "innerHTML")
    assert "1 call recorded" in response.text
    assert 'id="progress"' not in response.text
    assert f"{credits_of(customer):,}" in response.text


def test_an_import_is_stopped_and_goes_on(manager: Client, customer: Account) -> None:
    file_import = tried(customer, own_csv("c1"))
    press(manager, file_import, "import")
    assert press(manager, file_import, "stop").status_code == 302
    response = manager.get(page_of(file_import))
    assert response.context["page"].title == "Stopped"
    assert not Call.objects.exists()
    assert press(manager, file_import, "go_on").status_code == 302
    assert worked(file_import).state == ImportState.DONE
    assert Call.objects.count() == 1


def test_a_second_import_of_an_account_says_what_it_waits_for(
    manager: Client, customer: Account
) -> None:
    first = tried(customer, own_csv("c1"), name="first.csv")
    second = tried(customer, own_csv("c2"), name="second.csv")
    for each in (first, second):
        steps.start(file_import=each, by=None, now=timezone.now())
    page = manager.get(page_of(second)).context["page"]
    assert page.progress_words == "It begins when “first.csv” is done: one after the other."


def test_the_list_looks_again_while_something_moves(manager: Client, customer: Account) -> None:
    file_import = tried(customer, own_csv("c1"))
    assert "hx-trigger" not in manager.get(LIST).text
    steps.start(file_import=file_import, by=None, now=timezone.now())
    assert 'hx-trigger="every 2s"' in manager.get(LIST).text
    part = manager.get(LIST, headers={"HX-Request": "true"}).text
    assert part.count("<html") == 0
    assert "Importing" in part


# ── The file ──────────────────────────────────────────────────────────────────────────────────
def test_the_page_says_until_when_the_file_is_kept(manager: Client, customer: Account) -> None:
    file_import = uploaded(customer, own_csv("c1"))
    page = manager.get(page_of(file_import)).context["page"]
    assert page.kept_until == file_import.created_at + timedelta(days=30)


def test_the_file_is_deleted_at_once(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    assert press(manager, file_import, "delete").status_code == 302
    assert file_import.parts.count() == 0
    response = manager.get(page_of(file_import))
    assert "It was deleted" in response.text
    assert not response.context["page"].may_again
    assert Call.objects.count() == 1


@pytest.mark.parametrize("until", [uploaded, tried])
def test_an_import_without_its_file_says_that_nothing_was_recorded(
    manager: Client, customer: Account, until: Any
) -> None:
    file_import = until(customer, own_csv("c1"))
    press(manager, file_import, "delete")
    response = manager.get(page_of(file_import))
    page = response.context["page"]
    assert page.title == "The file was deleted"
    assert page.sentence == "Nothing was recorded from it. To import it, upload it again."
    assert "The calls that were recorded from it stay" not in response.text
    assert manager.get(LIST).context["rows"][0].state == "File deleted"


def test_of_an_import_that_was_taken_back_no_calls_stay(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    assert (
        "can still be taken back" in manager.get(page_of(file_import)).context["page"].delete_words
    )
    manager.post(page_of(file_import, name="import_take_back"))
    worked(file_import)
    assert manager.get(page_of(file_import)).context["page"].delete_words == (
        "This import was taken back. To import it once more, it must be uploaded again."
    )


def test_a_file_that_is_being_imported_is_not_deleted(manager: Client, customer: Account) -> None:
    file_import = tried(customer, own_csv("c1"))
    steps.start(file_import=file_import, by=None, now=timezone.now())
    assert press(manager, file_import, "delete").status_code == 409
    assert file_import.parts.count() == 1


def test_an_unfinished_upload_can_go_on_from_its_page(manager: Client, customer: Account) -> None:
    file_import = uploads.begin(
        account=customer, by=None, file_name="calls.csv", size=3, now=timezone.now()
    )
    parts = reverse("dashboard:import_parts", args=["acme", file_import.public_id])
    assert f'data-goes-on="{parts}"' in manager.get(page_of(file_import)).text


# ── Taking it back ────────────────────────────────────────────────────────────────────────────
def test_an_import_is_taken_back_after_saying_what_that_means(
    manager: Client, customer: Account
) -> None:
    before = credits_of(customer)
    file_import = imported(customer, own_csv("c1", "c2"))
    assert credits_of(customer) == before - 4
    address = page_of(file_import, name="import_take_back")
    asked = manager.get(address)
    assert "2 calls that it recorded will be withdrawn." in asked.text
    assert "4 credits back" in asked.text
    assert manager.post(address)["Location"] == page_of(file_import)
    assert worked(file_import).state == ImportState.WITHDRAWN
    assert credits_of(customer) == before
    page = manager.get(page_of(file_import)).context["page"]
    assert page.sentence == "2 calls withdrawn: 4 credits back, each to where it came from."


def test_what_was_changed_since_is_named_as_kept(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1", "c2"))
    longer = own_csv("c1").replace(b"09:31:05", b"09:33:05")
    imported(customer, longer, name="longer.csv")
    asked = manager.get(page_of(file_import, name="import_take_back"))
    assert asked.context["page"].kept == ["c1"]
    manager.post(page_of(file_import, name="import_take_back"))
    worked(file_import)
    response = manager.get(page_of(file_import))
    assert "1 call stayed, and why" in response.text
    assert response.context["page"].kept_shown == ["c1"]


def late(file_import: FileImport) -> None:
    FileImport.objects.filter(pk=file_import.pk).update(
        ended_at=timezone.now() - timedelta(days=30, seconds=1)
    )


def test_after_thirty_days_it_can_not_be_taken_back(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    late(file_import)
    address = page_of(file_import, name="import_take_back")
    assert not manager.get(page_of(file_import)).context["page"].may_take_back
    assert manager.get(address)["Location"] == page_of(file_import)
    assert manager.post(address).status_code == 409
    assert Call.objects.get().withdrawn_at is None


def test_an_operator_takes_it_back_after_that(
    client: Client, customer: Account, operator: User
) -> None:
    file_import = imported(customer, own_csv("c1"))
    late(file_import)
    client.force_login(operator)
    client.post(page_of(file_import, name="import_take_back"))
    worked(file_import)
    assert Call.objects.get().withdrawn_at is not None


def test_a_file_that_was_taken_back_is_imported_again(manager: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    after_once = credits_of(customer)
    manager.post(page_of(file_import, name="import_take_back"))
    worked(file_import)
    address = press(manager, file_import, "again")["Location"]
    again = FileImport.objects.latest("pk")
    assert address == page_of(again)
    steps.start_trial(file_import=again, by=None, now=timezone.now())
    worked(again)
    steps.start(file_import=again, by=None, now=timezone.now())
    assert worked(again).state == ImportState.DONE
    assert credits_of(customer) == after_once
