"""The mappings that an account keeps, and the first records as a reading makes calls of them."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from billing.refusals import Refusal
from calls.imports import adjusting, previewing, profiles, readings
from calls.imports.readings import MAPPED
from calls.models import ImportState
from calls.records import CallRecord, Rejected
from calls.sources.mapped.profile import Profile
from tests.calls.importing import GOOD, lines
from tests.calls.imports.engine import reading_of, ready, uploaded, worked

pytestmark = pytest.mark.django_db

COLUMNS = ("Ref", "When", "Seconds")
PROFILE = {
    "call_id": {"columns": ["Ref"]},
    "started_at": {"columns": ["When"]},
    "talk": {"column": "Seconds", "unit": "s"},
}
FILE = "Ref,When,Seconds\nr1,2026-03-10 09:30:00,65\nr2,nonsense,5\n"


def kept(account, name="Ours", columns=COLUMNS, profile=PROFILE):
    return profiles.save(
        account=account,
        name=name,
        profile=profile,
        columns=columns,
        zone="Europe/Paris",
        by=None,
        now=timezone.now(),
    )


def test_a_file_with_the_same_columns_is_read_by_the_mapping_that_was_kept(professional):
    kept(professional)
    reading = reading_of(ready(professional, FILE))
    assert (reading.format, reading.zone) == (MAPPED, "Europe/Paris")


def test_the_mapping_of_another_account_is_not_taken(professional, base):
    kept(base)
    assert profiles.profile_for(account=professional, columns=COLUMNS) is None


def test_the_latest_of_two_mappings_for_the_same_columns_is_taken(professional):
    kept(professional, "Old")
    kept(professional, "New")
    found = profiles.profile_for(account=professional, columns=COLUMNS)
    assert found is not None
    assert found.name == "New"


def test_a_pattern_that_an_account_gives_is_not_kept(professional):
    given = {"columns": ["Ref"], "values": {"When": "(a+)+b"}}
    found = kept(professional, profile={**PROFILE, "recognise": given})
    assert found.profile["recognise"] == {"columns": ["Ref"]}


def test_a_pattern_that_was_kept_before_is_never_run(professional):
    found = kept(professional)
    found.profile["recognise"] = {"values": {"Status": "(a+)+b"}}
    found.save(update_fields=["profile"])
    hostile = f"Ref,When,Seconds,Status\nr1,2026-03-10 09:30:00,65,{'a' * 40}\n"
    assert reading_of(ready(professional, hostile)).format == MAPPED


def test_saved_again_under_its_name_a_mapping_is_replaced(professional):
    kept(professional)
    kept(professional, profile={**PROFILE, "agent": ["Ref"]})
    [found] = profiles.profiles_of(professional)
    assert found.profile["agent"] == ["Ref"]


def test_exported_and_imported_by_another_account_it_is_the_same(professional, base):
    exported = profiles.exported(kept(professional))
    imported = profiles.imported(account=base, content=exported, by=None, now=timezone.now())
    found = profiles.profile_for(account=base, columns=COLUMNS)
    assert found == imported
    assert (imported.name, imported.zone) == ("Ours", "Europe/Paris")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "it is not JSON"),
        (b"[]", "holds no mapping"),
        (json.dumps({"name": "x", "started_at": 1}).encode(), "must be an object"),
        (b" " * 200_001, "too large"),
    ],
)
def test_a_file_that_holds_no_mapping_is_refused(professional, content, message):
    with pytest.raises(Refusal, match=message):
        profiles.imported(account=professional, content=content, by=None, now=timezone.now())


@pytest.mark.parametrize("name", ["", " ", "x" * 81])
def test_a_mapping_needs_a_name(professional, name):
    with pytest.raises(Refusal) as refusal:
        kept(professional, name)
    assert refusal.value.field == "name"


# ── The first records ─────────────────────────────────────────────────────────────────────────
def shown(file_import, rows=10, **changes):
    reading = reading_of(file_import)
    fields = {name: getattr(reading, name) for name in readings.Reading.__dataclass_fields__}
    return previewing.preview(
        file_import=file_import,
        reading=readings.Reading(**{**fields, **changes}),
        rows=rows,
        now=timezone.now(),
    )


def test_the_first_records_are_shown_as_calls_or_with_their_reason(professional):
    kept(professional)
    first, second = shown(ready(professional, FILE)).rows
    assert isinstance(first.record, CallRecord)
    assert (first.number, first.values["Ref"], first.record.call_id) == (2, "r1", "r1")
    assert isinstance(second.record, Rejected)
    assert second.record.field == "When"


def test_another_zone_is_shown_without_being_chosen(professional):
    found = ready(professional, lines(GOOD.format("c1", 10)))
    [row] = shown(found, zone="UTC").rows
    assert isinstance(row.record, CallRecord)
    assert row.record.started_at.hour == 9
    assert reading_of(found).zone != "UTC"


def test_no_more_rows_are_read_than_are_shown(professional):
    found = ready(professional, lines(*(GOOD.format(f"c{number}", 10) for number in range(30))))
    assert len(shown(found, rows=7).rows) == 7


def test_what_cannot_be_read_so_is_said(professional):
    found = ready(professional, lines(GOOD.format("c1", 10)))
    preview = shown(found, format="asterisk")
    assert preview.rows == ()
    assert "Asterisk" in preview.said


# ── What a file proves against its mapping ────────────────────────────────────────────────────
DAY_FIRST: dict[str, Any] = {
    "call_id": {"columns": ["Ref"]},
    "started_at": {"columns": ["When"], "form": "dmy"},
    "talk": {"column": "Seconds", "unit": "s"},
}


def seventh_uuid(at):
    """A UUID of version 7 that was made at the instant ``at``."""
    digits = f"{int(at.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000001"


def with_ids(order, count=8, zone=UTC):
    """Calls of 6 to 8 February at 10:00 and later in ``zone``, with IDs that tell their time."""
    rows = []
    for number in range(count):
        at = datetime(2026, 2, 6 + number % 3, 10, number, tzinfo=zone)
        rows.append(f"{seventh_uuid(at)},{at:{order} %H:%M:%S},65")
    return "\n".join(["Ref,When,Seconds", *rows, ""])


def asked(file_import):
    return [question[0] for question in file_import.examined["questions"]]


def test_ids_against_the_dates_and_the_zone_of_a_mapping_are_asked_about(professional):
    kept(professional, profile=DAY_FIRST)
    found = ready(professional, with_ids("%m/%d/%Y"))
    assert asked(found) == ["dates", "zone"]
    adjusting.answer(file_import=found, answers={"dates": "mdy", "zone": "UTC"}, now=timezone.now())
    found.refresh_from_db()
    first = shown(found).rows[0].record
    assert isinstance(first, CallRecord)
    assert first.started_at == datetime(2026, 2, 6, 10, tzinfo=UTC)


def test_a_zone_that_a_mapping_names_for_its_times_gives_way_to_the_answer(professional):
    started_at = {**DAY_FIRST["started_at"], "zone": "Asia/Kolkata"}
    kept(professional, profile={**DAY_FIRST, "started_at": started_at})
    found = ready(professional, with_ids("%d/%m/%Y"))
    assert asked(found) == ["zone"]
    adjusting.answer(file_import=found, answers={"zone": "UTC"}, now=timezone.now())
    found.refresh_from_db()
    first = shown(found).rows[0].record
    assert isinstance(first, CallRecord)
    assert first.started_at == datetime(2026, 2, 6, 10, tzinfo=UTC)


def test_ids_that_agree_with_a_mapping_leave_nothing_to_ask(professional):
    kept(professional, profile=DAY_FIRST)
    assert asked(ready(professional, with_ids("%d/%m/%Y", zone=ZoneInfo("Europe/Paris")))) == []


@pytest.mark.parametrize(
    ("dates", "topics"),
    [
        (["03/05/2026", "11/13/2026"], ["dates"]),  # a day above 12 in the second place
        (["03/05/2026", "13/11/2026"], []),
        (["03/05/2026", "04/05/2026"], []),  # tells nothing
        ([f"02/{day:02}/2026" for day in (8, 7, 6, 5, 4, 3)] + ["01/12/2026"], ["dates"]),
    ],
)
def test_what_the_dates_of_a_file_prove_against_a_mapping_is_asked(professional, dates, topics):
    kept(professional, profile=DAY_FIRST)
    rows = [f"r{number},{date} 10:00,65" for number, date in enumerate(dates)]
    assert asked(ready(professional, "\n".join(["Ref,When,Seconds", *rows, ""]))) == topics


def test_dates_that_contradict_each_other_are_refused_though_a_mapping_was_kept(professional):
    kept(professional, profile=DAY_FIRST)
    file = "Ref,When,Seconds\nr1,13/03/2026 10:00,65\nr2,03/14/2026 10:00,65\n"
    found = worked(uploaded(professional, file))
    assert found.state == ImportState.REFUSED
    assert "with the day first (line 2)" in found.said


def test_a_mapping_that_is_chosen_afterwards_is_held_against_the_file_too(professional):
    found = ready(professional, with_ids("%m/%d/%Y"))
    found = adjusting.map_columns(
        file_import=found,
        profile=Profile.from_json(DAY_FIRST),
        is_of_other_file=True,
        now=timezone.now(),
    )
    assert asked(found) == ["dates", "zone"]
