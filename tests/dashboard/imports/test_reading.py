"""Changing what was found out about a file, and answering what it does not tell."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account
from calls.imports import steps
from calls.imports.readings import MAPPED, Reading, reading_of
from calls.models import FileImport, ImportState
from calls.notations.layout import Layout
from dashboard.imports.layout_form import LayoutForm
from tests.calls.notations.workbooks import row, text, workbook
from tests.dashboard.imports.conftest import own_csv, uploaded, worked

PROFILE = {
    "version": 1,
    "call_id": {"columns": ["id"]},
    "started_at": {"columns": ["when"], "form": "dmy"},
    "ended_at": {"columns": ["until"], "form": "dmy"},
    "usage_type": {"otherwise": "outbound"},
}


def change(client: Client, file_import: FileImport, **told: str) -> Any:
    reading = reading_of(file_import)
    assert reading is not None
    form = LayoutForm(reading=reading, zone="Asia/Kolkata")
    sent = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in sent.items() if value is not False}
    address = reverse("dashboard:import_page", args=["acme", file_import.public_id])
    return client.post(address, sent | told | {"do": "layout"})


def answer(client: Client, file_import: FileImport, **told: str) -> Any:
    address = reverse("dashboard:import_page", args=["acme", file_import.public_id])
    return client.post(
        address, {f"answer-{topic}": value for topic, value in told.items()} | {"do": "answer"}
    )


def asked(file_import: FileImport, *topics: str, profile: Any = None, format: str = MAPPED) -> None:
    """Let the file leave something open."""
    choices = {
        "dates": [["dmy", "3 November"], ["mdy", "11 March"]],
        "zone": [["Asia/Kolkata", "India"], ["UTC", "UTC"]],
        "usage_type": [["inbound", "Received"], ["outbound", "Made"]],
        "internal_calls": [["charge", "Yes"], ["ignore", "No"]],
    }
    layout = Layout(columns=("id", "when", "until"))
    FileImport.objects.filter(pk=file_import.pk).update(
        examined={"facts": [], "questions": [[each, "?", choices[each]] for each in topics]},
        reading=Reading(format, layout=layout, profile=profile, zone="Asia/Kolkata").as_json(),
    )
    file_import.refresh_from_db()


@pytest.fixture
def known(customer: Account) -> FileImport:
    """A file in the product's own notation."""
    return uploaded(customer, own_csv("c1"))


# ── What it is ────────────────────────────────────────────────────────────────────────────────
def test_the_zone_is_changed(manager: Client, known: FileImport) -> None:
    assert change(manager, known, zone="UTC").status_code == 302
    known.refresh_from_db()
    assert known.reading["zone"] == "UTC"
    address = reverse("dashboard:import_page", args=["acme", known.public_id])
    assert "10 Nov 2026, 15:00:00" in manager.get(address).text


def test_a_zone_that_does_not_exist_is_said_beside_it(manager: Client, known: FileImport) -> None:
    response = change(manager, known, zone="Mars/Olympus")
    assert response.status_code == 422
    assert "no such time zone" in response.context["layout_form"].errors["zone"][0]
    assert '<details class="change" open>' in response.text


def test_a_file_is_said_to_be_the_last_word(manager: Client, known: FileImport) -> None:
    change(manager, known, revise="on")
    known.refresh_from_db()
    assert known.reading["revise"] is True


def test_another_format_forgets_what_belonged_to_the_first(
    manager: Client, known: FileImport
) -> None:
    asked(known, format="asterisk")
    change(manager, known, **{"option-usage_type": "inbound"})
    known.refresh_from_db()
    assert known.reading["options"] == {"usage_type": "inbound"}
    change(manager, known, format="csv")
    known.refresh_from_db()
    assert (known.reading["format"], known.reading["options"]) == ("csv", {})


AIRCALL = (
    b"call id,datetime (utc),direction,answered,duration (total),duration (in call),user,from,to\n"
    b"CA1,2026-11-10 09:30:00,inbound,Yes,70,65,Meera,+911,+912\n"
)


def test_a_shipped_format_is_chosen_by_its_name(manager: Client, customer: Account) -> None:
    file_import = uploaded(customer, AIRCALL)
    assert file_import.reading["profile"]["name"] == "aircall"
    change(manager, file_import, format=MAPPED)
    file_import.refresh_from_db()
    assert "name" not in file_import.reading["profile"]
    change(manager, file_import, format="profile:aircall")
    file_import.refresh_from_db()
    assert file_import.reading["profile"]["name"] == "aircall"


def test_a_format_that_the_file_can_not_have_is_refused_with_why(
    manager: Client, known: FileImport
) -> None:
    response = change(manager, known, format="profile:aircall")
    assert response.status_code == 409
    assert "datetime (utc)" in str(response.context["layout_form"].non_field_errors())
    known.refresh_from_db()
    assert known.reading["format"] == "csv"


def test_columns_that_nobody_has_named_are_not_tried(manager: Client, known: FileImport) -> None:
    asked(known)
    address = reverse("dashboard:import_page", args=["acme", known.public_id])
    assert manager.post(address, {"do": "try"}).status_code == 409
    known.refresh_from_db()
    assert known.state == ImportState.READY


def test_the_order_of_day_and_month_is_changed_for_all_times(
    manager: Client, known: FileImport
) -> None:
    asked(known, profile=PROFILE)
    change(manager, known, day_order="mdy")
    known.refresh_from_db()
    profile = known.reading["profile"]
    assert (profile["started_at"]["form"], profile["ended_at"]["form"]) == ("mdy", "mdy")


def test_another_separator_cuts_the_file_anew(manager: Client, customer: Account) -> None:
    content = own_csv("c1").replace(b",", b";")
    file_import = uploaded(customer, content)
    change(manager, file_import, delimiter="|")
    file_import.refresh_from_db()
    assert len(file_import.reading["layout"]["columns"]) == 1
    change(manager, file_import, delimiter=";")
    file_import.refresh_from_db()
    assert file_import.reading["layout"]["columns"][:2] == ["call_id", "usage_type"]


def test_a_guessed_encoding_stays_a_guess_until_somebody_names_one(
    manager: Client, customer: Account
) -> None:
    content = own_csv("c1", "b2~").replace(b"~", b"\xe9")
    file_import = uploaded(customer, content)
    address = reverse("dashboard:import_page", args=["acme", file_import.public_id])
    [_, odd] = manager.get(address).context["page"].sample.rows
    assert odd.call is None
    assert "call_id" in odd.reason
    change(manager, file_import, zone="UTC")
    file_import.refresh_from_db()
    layout = file_import.reading["layout"]
    assert (layout["encoding"], layout["encoding_is_guessed"]) == ("cp1252", True)
    change(manager, file_import, encoding="cp1252")
    [_, named] = manager.get(address).context["page"].sample.rows
    assert named.call is not None
    assert named.call.call_id == "b2é"


# ── What it does not tell ─────────────────────────────────────────────────────────────────────
def test_nothing_is_tried_before_what_is_open_is_answered(
    manager: Client, known: FileImport
) -> None:
    asked(known, "dates", profile=PROFILE)
    address = reverse("dashboard:import_page", args=["acme", known.public_id])
    response = manager.get(address)
    assert not response.context["page"].may_try
    assert "3 November" in response.text
    assert 'value="try"' not in response.text


def test_an_answer_goes_into_the_reading_and_is_asked_no_more(
    manager: Client, known: FileImport
) -> None:
    asked(known, "dates", "usage_type", profile=PROFILE)
    assert answer(manager, known, dates="mdy").status_code == 302
    known.refresh_from_db()
    assert known.reading["profile"]["started_at"]["form"] == "mdy"
    assert [topic for topic, _, _ in known.examined["questions"]] == ["usage_type"]
    answer(manager, known, usage_type="inbound")
    known.refresh_from_db()
    assert known.reading["profile"]["usage_type"] == {"otherwise": "inbound"}
    assert known.examined["questions"] == []


def test_an_answer_about_the_zone_is_that_of_the_file(manager: Client, known: FileImport) -> None:
    asked(known, "zone", profile=PROFILE)
    answer(manager, known, zone="UTC")
    known.refresh_from_db()
    assert known.reading["zone"] == "UTC"


def test_an_answer_about_a_known_source_is_its_option(manager: Client, known: FileImport) -> None:
    asked(known, "internal_calls", format="asterisk")
    answer(manager, known, internal_calls="ignore")
    known.refresh_from_db()
    assert known.reading["options"] == {"internal_calls": "ignore"}


def test_an_answer_that_was_not_offered_is_refused(manager: Client, known: FileImport) -> None:
    asked(known, "dates", profile=PROFILE)
    assert answer(manager, known, dates="ymd").status_code == 409
    known.refresh_from_db()
    assert len(known.examined["questions"]) == 1


def test_an_answer_to_nothing_is_refused(manager: Client, known: FileImport) -> None:
    asked(known, profile=PROFILE)
    assert answer(manager, known, dates="dmy").status_code == 409


# ── The sheets of a workbook ──────────────────────────────────────────────────────────────────
CALLS = ("c1", "c2", "c3")


@pytest.fixture
def sheets(customer: Account) -> FileImport:
    """A workbook with a longer list of people, the calls, and a sheet that has no values."""
    people = "".join(row(text(f"Person {number}"), text("Sales")) for number in range(9))
    calls = "".join(
        row(*map(text, line.split(","))) for line in own_csv(*CALLS).decode().splitlines()
    )
    nothing = row(text(""), text(" "))
    content = workbook(people, calls, nothing)
    return uploaded(customer, content, name="calls.xlsx")


def test_another_sheet_is_chosen_and_examined_as_if_it_were_the_file(
    manager: Client, sheets: FileImport
) -> None:
    address = reverse("dashboard:import_page", args=["acme", sheets.public_id])
    form = manager.get(address).context["layout_form"]
    assert form["sheet"].value() == "Sheet 1"
    assert change(manager, sheets, sheet="Sheet 2").status_code == 302
    sheets.refresh_from_db()
    assert sheets.state == ImportState.EXAMINING
    worked(sheets)
    assert (sheets.state, sheets.reading["format"]) == (ImportState.READY, "csv")
    said = [said for topic, said in sheets.examined["facts"] if topic == "sheet"]
    assert said == [
        "The file is an Excel file; its sheet “Sheet 2” is read. Not read: “Sheet 1”, “Sheet 3”."
    ]
    assert manager.get(address).context["layout_form"]["sheet"].value() == "Sheet 2"
    steps.start_trial(file_import=sheets, by=None, now=timezone.now())
    assert worked(sheets).trial["summary"]["created"] == len(CALLS)


def test_from_a_sheet_that_can_not_be_read_there_is_a_way_back(
    manager: Client, sheets: FileImport
) -> None:
    change(manager, sheets, sheet="Sheet 3")
    assert worked(sheets).state == ImportState.REFUSED
    address = reverse("dashboard:import_page", args=["acme", sheets.public_id])
    assert manager.get(address).context["layout_form"]["sheet"].value() == "Sheet 3"
    manager.post(address, {"sheet": "Sheet 2", "do": "layout"})
    assert worked(sheets).state == ImportState.READY


def test_a_layout_that_is_changed_leaves_the_choice_of_sheets(
    manager: Client, sheets: FileImport
) -> None:
    assert change(manager, sheets, skipped_lines="1").status_code == 302
    sheets.refresh_from_db()
    assert sheets.examined["sheets"] == ["Sheet 1", "Sheet 2", "Sheet 3"]


def test_a_sheet_that_the_workbook_has_not_is_refused(manager: Client, sheets: FileImport) -> None:
    assert change(manager, sheets, sheet="Sheet 9").status_code == 422
    sheets.refresh_from_db()
    assert sheets.state == ImportState.READY
