"""Saying which column of a file is what: the effect, the use, what is wrong, and what is kept."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account
from calls.imports import profiles, readings
from calls.imports.readings import MAPPED, Reading
from calls.models import Call, FileImport, ImportState, MappingProfile
from calls.notations.layout import Layout
from dashboard.imports.mapping import _key
from tests.dashboard.imports.conftest import uploaded, worked

INDIA = ZoneInfo("Asia/Kolkata")
COLUMNS = ("Conversation", "Date", "Time", "Agent name", "Answered", "Wait (s)", "Talk time")
ROWS = (
    "K-1;20/11/2026;2:05:09 PM;Meera;Y;12;00:03:20",
    "K-2;20/11/2026;2:07:00 PM;;N;45;",
    "K-3;21/11/2026;12:00:30 AM;Farid;Y;3;01:00:00",
)
CONTENT = "\n".join([";".join(COLUMNS), *ROWS, ""]).encode()


@pytest.fixture
def unknown(customer: Account) -> FileImport:
    """A file of a call centre that nobody knows yet, cut into its columns."""
    file_import = uploaded(customer, CONTENT, name="call-centre.csv")
    layout = Layout(delimiter=";", columns=COLUMNS)
    readings.choose(
        file_import=file_import,
        reading=Reading("csv", layout=layout, zone="Asia/Kolkata"),
        now=timezone.now(),
    )
    stored = Reading(MAPPED, layout=layout, zone="Asia/Kolkata").as_json()
    FileImport.objects.filter(pk=file_import.pk).update(reading=stored)
    file_import.refresh_from_db()
    return file_import


def word(column: str, text: str, name: str = "status") -> str:
    """The name of the field that says what a word means."""
    return f"{name}-word-{_key(column, text)}"


def filled(**changed: str) -> dict[str, str]:
    """The form as somebody fills it in who knows the file."""
    told = {
        "call_id": "Conversation",
        "started_at-column": "Date",
        "started_at-time": "Time",
        "started_at-form": "dmy",
        "connected_at-form": "iso",
        "ended_at-form": "iso",
        "waiting-column": "Wait (s)",
        "waiting-unit": "s",
        "waiting-decimal": ".",
        "talk-column": "Talk time",
        "talk-unit": "h:m:s",
        "talk-decimal": ".",
        "usage_type-otherwise": "inbound",
        "status-column": "Answered",
        "status-otherwise": "",
        word("Answered", "Y"): "completed",
        word("Answered", "N"): "no_answer",
        "agent-0": "Agent name",
        "do": "use",
    }
    return told | {name.replace("__", "-"): value for name, value in changed.items()}


def page_of(file_import: FileImport, name: str = "import_mapping") -> str:
    return reverse(f"dashboard:{name}", args=["acme", file_import.public_id])


def effect(client: Client, file_import: FileImport, told: dict[str, str]) -> Any:
    response = client.post(
        page_of(file_import), told | {"do": "show"}, headers={"HX-Request": "true"}
    )
    assert response.status_code == 200
    return response


# ── The page ──────────────────────────────────────────────────────────────────────────────────
def test_an_unknown_file_leads_to_its_columns(manager: Client, unknown: FileImport) -> None:
    response = manager.get(page_of(unknown, "import_page"))
    assert not response.context["page"].may_try
    assert f'href="{page_of(unknown)}"' in response.text
    assert "Say which column is what" in response.text


def test_each_column_is_offered_with_what_stands_in_it(
    manager: Client, unknown: FileImport
) -> None:
    form = manager.get(page_of(unknown)).context["form"]
    offered = dict(form.fields["talk-column"].choices)
    assert offered["Talk time"] == "Talk time · 00:03:20, 01:00:00"
    assert offered["Conversation"] == "Conversation · K-1, K-2"


def test_the_words_of_a_chosen_column_are_asked_for(manager: Client, unknown: FileImport) -> None:
    response = effect(manager, unknown, {"status-column": "Answered", "started_at-column": "Date"})
    assert [word for word, _ in response.context["rows"][2].words] == ["Y", "N"]
    assert 'id="words-status" hx-swap-oob="true"' in response.text


def test_words_that_mean_the_same_everywhere_are_proposed_and_no_others(
    manager: Client, customer: Account
) -> None:
    rows = (f"2026-11-20 10:00:0{n}|{said}|{n}" for n, said in enumerate(("No answer", "CONN") * 4))
    file_import = uploaded(customer, "\n".join([*rows, ""]).encode(), name="no-header.txt")
    told = {
        "status-column": "2",
        "started_at-column": "1",
        "started_at-form": "iso",
        "talk-column": "3",
    }
    response = effect(manager, file_import, told)
    form = response.context["form"]
    assert form[word("2", "No answer")].value() == "no_answer"
    assert not form[word("2", "CONN")].value()
    assert (
        form["talk-column"].field.choices[1][1]
        == "Column 1 · 2026-11-20 10:00:00, 2026-11-20 10:00:01"
    )


def test_what_was_not_found_is_not_said_any_more_once_it_was_told(
    manager: Client, unknown: FileImport
) -> None:
    facts = [["format", "This is no format."], ["columns", "None was found."], ["dates", "So."]]
    FileImport.objects.filter(pk=unknown.pk).update(examined={"facts": facts})
    manager.post(page_of(unknown), filled())
    unknown.refresh_from_db()
    said = [sentence for _, sentence in unknown.examined["facts"]]
    assert said == ["So.", "You said which column is what."]


def test_a_new_mapping_takes_no_call_for_answered(manager: Client, unknown: FileImport) -> None:
    form = manager.get(page_of(unknown)).context["form"]
    assert {form[f"{name}-otherwise"].value() for name in ("status", "usage_type")} == {""}


# ── The effect ────────────────────────────────────────────────────────────────────────────────
def test_the_effect_shows_on_the_first_lines_at_once(manager: Client, unknown: FileImport) -> None:
    response = effect(manager, unknown, filled())
    rows = response.context["effect"].rows
    assert [(row.outcome, row.direction) for row in rows] == [
        ("Answered", "Inbound"),
        ("No answer", "Inbound"),
        ("Answered", "Inbound"),
    ]
    assert rows[0].call.started_at == datetime(2026, 11, 20, 14, 5, 9, tzinfo=INDIA)
    assert rows[0].talk.total_seconds() == 200
    assert "20 Nov 2026, 14:05:09" in response.text
    assert "3 of the first 3 lines are calls" in response.text


def test_the_effect_changes_nothing(manager: Client, unknown: FileImport) -> None:
    effect(manager, unknown, filled())
    unknown.refresh_from_db()
    assert unknown.reading["profile"] is None


def test_a_wrong_mapping_says_in_each_row_what_is_wrong(
    manager: Client, unknown: FileImport
) -> None:
    rows = effect(manager, unknown, filled(started_at__form="mdy")).context["effect"].rows
    assert [row.call for row in rows] == [None, None, None]
    assert "20/11/2026" in rows[0].reason


def test_a_mapping_without_a_start_says_what_is_missing(
    manager: Client, unknown: FileImport
) -> None:
    told = filled(started_at__column="", started_at__time="")
    response = effect(manager, unknown, told)
    assert "Say which column tells when a call started." in response.text


def test_without_scripts_a_button_shows_the_effect(manager: Client, unknown: FileImport) -> None:
    response = manager.post(page_of(unknown), filled(do="show"))
    assert response.status_code == 200
    assert response.context["effect"].said == "3 of the first 3 lines are calls"
    assert response.context["form"]["talk-unit"].value() == "h:m:s"


# ── Using it ──────────────────────────────────────────────────────────────────────────────────
def test_a_mapping_that_is_used_records_the_calls(
    manager: Client, unknown: FileImport, customer: Account
) -> None:
    assert manager.post(page_of(unknown), filled())["Location"] == page_of(unknown, "import_page")
    assert manager.get(page_of(unknown, "import_page")).context["page"].may_try
    manager.post(page_of(unknown, "import_page"), {"do": "try"})
    worked(unknown)
    manager.post(page_of(unknown, "import_page"), {"do": "import"})
    worked(unknown)
    calls = {call.call_id: call for call in Call.objects.filter(account=customer)}
    assert sorted(calls) == ["K-1", "K-2", "K-3"]
    assert calls["K-1"].agent == "Meera"
    assert calls["K-2"].connected_at is None
    assert calls["K-3"].started_at == datetime(2026, 11, 21, 0, 0, 30, tzinfo=INDIA)


def test_what_does_not_go_together_is_said_beside_its_row(
    manager: Client, unknown: FileImport
) -> None:
    response = manager.post(page_of(unknown), filled(status__by="connected_at"))
    assert response.status_code == 422
    [row] = [row for row in response.context["rows"] if row.errors]
    assert row.name == "connected_at"
    unknown.refresh_from_db()
    assert unknown.reading["profile"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("started_at-form", "guess"),
        ("talk-unit", "fortnights"),
        ("call_id", "No such column"),
        ("started_at-zone", "Mars/Olympus"),
        ("status-otherwise", "maybe"),
    ],
)
def test_a_choice_that_is_not_offered_is_refused(
    manager: Client, unknown: FileImport, field: str, value: str
) -> None:
    assert manager.post(page_of(unknown), filled() | {field: value}).status_code == 422


def test_an_id_is_made_of_several_columns(manager: Client, unknown: FileImport) -> None:
    told: dict[str, Any] = filled() | {"call_id-more": ["Date", "Time"], "call_id": ""}
    manager.post(page_of(unknown), told)
    unknown.refresh_from_db()
    assert unknown.reading["profile"]["call_id"] == {"columns": ["Date", "Time"]}


def test_everything_that_is_said_is_in_the_mapping(manager: Client, unknown: FileImport) -> None:
    told: dict[str, Any] = filled(
        prefix="2026-",
        agent__set="",
        **{"skip-0-column": "Answered", "skip-0-values": "test, note"},
    )
    manager.post(page_of(unknown), told | {"ignore": ["Wait (s)"], "waiting-column": ""})
    unknown.refresh_from_db()
    assert unknown.reading["profile"] == {
        "version": 1,
        "call_id": {"columns": ["Conversation"], "prefix": "2026-"},
        "usage_type": {"otherwise": "inbound"},
        "status": {
            "column": "Answered",
            "words": {"completed": ["Y"], "no_answer": ["N"]},
        },
        "started_at": {"columns": ["Date", "Time"], "form": "dmy"},
        "talk": {"column": "Talk time", "unit": "h:m:s"},
        "agent": ["Agent name"],
        "ignore": ["Wait (s)"],
        "skip": [{"column": "Answered", "values": ["test", "note"]}],
    }


def test_a_form_that_is_sent_unchanged_keeps_the_mapping(
    manager: Client, unknown: FileImport
) -> None:
    manager.post(page_of(unknown), filled(prefix="x-"))
    unknown.refresh_from_db()
    before = unknown.reading
    form = manager.get(page_of(unknown)).context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() is not False}
    manager.post(page_of(unknown), sent | {"do": "use"})
    unknown.refresh_from_db()
    assert unknown.reading == before


# ── Keeping it ────────────────────────────────────────────────────────────────────────────────
def test_a_mapping_is_kept_under_a_name_for_the_next_file(
    manager: Client, unknown: FileImport, customer: Account
) -> None:
    manager.post(page_of(unknown), filled() | {"profile-name": "Our call centre"})
    [kept] = profiles.profiles_of(customer)
    assert kept.name == "Our call centre"
    assert profiles.profile_for(account=customer, columns=COLUMNS) == kept


def test_a_mapping_that_was_kept_is_used_and_forgotten(
    manager: Client, unknown: FileImport, customer: Account
) -> None:
    manager.post(page_of(unknown), filled() | {"profile-name": "Our call centre"})
    [kept] = profiles.profiles_of(customer)
    manager.post(page_of(unknown), filled(talk__unit="m:s"))
    manager.post(page_of(unknown), {"do": "saved", "saved": kept.pk})
    unknown.refresh_from_db()
    assert unknown.reading["profile"]["talk"]["unit"] == "h:m:s"
    manager.post(page_of(unknown), {"do": "forget", "saved": kept.pk})
    assert profiles.profiles_of(customer) == []


def test_a_mapping_of_another_account_is_not_found(
    manager: Client, unknown: FileImport, other_account: Account
) -> None:
    theirs = MappingProfile.objects.create(
        account=other_account, name="Theirs", profile={}, saved_at=timezone.now()
    )
    assert "Theirs" not in manager.get(page_of(unknown)).text
    for do in ("saved", "forget"):
        assert manager.post(page_of(unknown), {"do": do, "saved": theirs.pk}).status_code == 404
    assert MappingProfile.objects.count() == 1


def test_a_mapping_goes_out_as_a_file_and_comes_in_again(
    manager: Client, unknown: FileImport
) -> None:
    manager.post(page_of(unknown), filled())
    sent = manager.get(page_of(unknown, "import_profile"))
    assert sent["Content-Disposition"].startswith("attachment")
    told = json.loads(sent.content)
    manager.post(page_of(unknown), filled(talk__unit="m:s"))
    file = SimpleUploadedFile("columns.json", json.dumps(told).encode())
    response = manager.post(page_of(unknown), {"do": "upload", "profile-file": file})
    assert response.status_code == 302
    unknown.refresh_from_db()
    assert unknown.reading["profile"]["talk"]["unit"] == "h:m:s"


@pytest.mark.parametrize("content", [b"", b"not json", b"[]", b'{"started_at": 5}'])
def test_a_file_that_is_no_mapping_is_refused_beside_it(
    manager: Client, unknown: FileImport, content: bytes
) -> None:
    file = SimpleUploadedFile("columns.json", content)
    response = manager.post(page_of(unknown), {"do": "upload", "profile-file": file})
    assert response.status_code == 422
    assert response.context["profile_problem"]
    assert not MappingProfile.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"zone": "Mars/X"}, "no such time zone"),
        ({"profile": {"started_at": {"columns": ["When"]}}}, "“When”"),
    ],
)
def test_a_mapping_that_can_not_read_the_file_is_not_kept(
    manager: Client, unknown: FileImport, change: dict[str, Any], said: str
) -> None:
    manager.post(page_of(unknown), filled())
    told = json.loads(manager.get(page_of(unknown, "import_profile")).content)
    file = SimpleUploadedFile("columns.json", json.dumps(told | change).encode())
    response = manager.post(page_of(unknown), {"do": "upload", "profile-file": file})
    assert response.status_code == 409
    assert said in response.context["problem"]
    assert not MappingProfile.objects.exists()


# ── What the file leaves open ─────────────────────────────────────────────────────────────────
OPEN = (
    b"Ref;Start time;Talk time;Outcome\n"
    b"k1;03/02/2026 10:00;1.5;Answered\n"
    b"k2;04/02/2026 10:00;2;Zap\n"
)
ASKED = ["dates", "status:Zap", "usage_type", "unit:talk"]


def sent(form: Any) -> dict[str, Any]:
    """What a browser sends of a form that nobody has touched."""
    told = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in told.items() if value is not None and value is not False}


def asked(file_import: FileImport) -> list[str]:
    file_import.refresh_from_db()
    return [topic for topic, *_ in file_import.examined["questions"]]


@pytest.fixture
def open_import(customer: Account) -> FileImport:
    file_import = uploaded(customer, OPEN)
    assert asked(file_import) == ASKED
    return file_import


def test_a_form_that_nobody_touched_answers_no_question(
    manager: Client, open_import: FileImport
) -> None:
    form = manager.get(page_of(open_import)).context["form"]
    assert manager.post(page_of(open_import), sent(form) | {"do": "use"}).status_code == 302
    assert asked(open_import) == ASKED


@pytest.mark.parametrize(
    ("changed", "answered"),
    [
        ({"started_at-form": "mdy"}, "dates"),
        ({"talk-unit": "min"}, "unit:talk"),
        ({"usage_type-otherwise": "inbound"}, "usage_type"),
        ({word("Outcome", "Zap"): "busy"}, "status:Zap"),
        ({"status-otherwise": "failed"}, "status:Zap"),
    ],
)
def test_a_field_that_was_changed_answers_its_own_question(
    manager: Client, open_import: FileImport, changed: dict[str, str], answered: str
) -> None:
    form = manager.get(page_of(open_import)).context["form"]
    manager.post(page_of(open_import), sent(form) | changed | {"do": "use"})
    assert asked(open_import) == [topic for topic in ASKED if topic != answered]


def test_a_mapping_with_open_questions_is_not_kept(
    manager: Client, open_import: FileImport
) -> None:
    form = manager.get(page_of(open_import)).context["form"]
    told = sent(form) | {"do": "use", "profile-name": "Guessed"}
    response = manager.post(page_of(open_import), told)
    assert "Answer the questions" in response.context["problem"]
    assert not MappingProfile.objects.exists()


@pytest.mark.parametrize("do", ["try", "import"])
def test_nothing_is_tried_or_imported_while_a_question_is_open(
    manager: Client, open_import: FileImport, do: str
) -> None:
    if do == "import":
        FileImport.objects.filter(pk=open_import.pk).update(state=ImportState.TRIED)
    response = manager.post(page_of(open_import, "import_page"), {"do": do})
    assert response.status_code == 409
    assert "Answer the questions" in response.context["problem"]


def test_another_day_order_in_the_layout_answers_the_question_of_the_dates(
    manager: Client, open_import: FileImport
) -> None:
    page = page_of(open_import, "import_page")
    form = manager.get(page).context["layout_form"]
    manager.post(page, sent(form) | {"do": "layout"})
    assert asked(open_import) == ASKED
    manager.post(page, sent(form) | {"day_order": "mdy", "do": "layout"})
    assert asked(open_import) == ASKED[1:]
