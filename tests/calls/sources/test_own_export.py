"""Our own export is understood: what it tells of calls comes back as the same calls."""

from datetime import date, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from calls.charging import record_calls
from calls.imports.importing import import_calls
from calls.models import Call
from calls.notations import BadFileError, RawRecord
from calls.sources import Ignored
from calls.sources.canonical import OwnExport, is_canonical, is_own_export
from calls.usage.export import export_csv
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from tests.calls.calling import NOW, STARTED_AT, record, unanswered

pytestmark = pytest.mark.django_db

FACTS = (
    "call_id",
    "usage_type",
    "agent",
    "from_number",
    "to_number",
    "started_at",
    "connected_at",
    "ended_at",
    "status",
    "remarks",
    "credits",
)


def exported(account):
    """The export of the days around all calls of these tests."""
    period = Period(Preset.CUSTOM, date(2026, 3, 1), date(2026, 3, 12), account.zone)
    return "".join(export_csv(account=account, period=period, filters=UsageFilters()))


def import_export(text, account):
    source = OwnExport(account_id=account.pk, zone=ZoneInfo("UTC"), now=NOW)
    *_, done = import_calls(file=BytesIO(text.encode()), source=source, now=NOW)
    return done.summary


def calls_of(account):
    return sorted(Call.objects.filter(account=account).values_list(*FACTS))


def record_some(account):
    translation = {"usage_type": "translation", "started_at": STARTED_AT + timedelta(seconds=0.25)}
    record_calls(
        records=[
            record(account, "plain", 65),
            record(account, "+1", 30.001, usage_type="inbound", rings=7, agent="=Asha"),
            record(account, 'a,"b"', 1, from_number="+911", to_number="+912", remarks="-“x”, y"),
            record(account, "session", 12, **translation),
            unanswered(account, "missed", "busy"),
        ],
        now=NOW,
    )
    record_calls(records=[record(account, "plain", 125)], now=NOW)


def test_what_was_exported_comes_back_as_the_same_calls_in_another_account(professional, base):
    record_some(professional)
    import_export(exported(professional), base)
    assert [facts[:-1] for facts in calls_of(base)] == [
        facts[:-1] for facts in calls_of(professional)
    ]


def test_what_was_exported_changes_nothing_in_its_own_account(professional):
    record_some(professional)
    before = calls_of(professional)
    summary = import_export(exported(professional), professional)
    assert calls_of(professional) == before
    assert (summary.created, summary.corrected, summary.rejected) == (0, 0, 0)
    assert summary.unchanged == 6  # five calls, and the correction of one


def test_a_row_that_is_no_call_is_ignored(professional):
    header = exported(professional).partition("\r\n")[0]
    source = OwnExport(account_id=professional.pk, zone=ZoneInfo("UTC"), now=NOW)
    columns = header.split(",")
    assert source.takes_as_header(columns)
    [read] = source.read([RawRecord(2, "", ["2026-03-10 09:30:00", *[""] * (len(columns) - 1)])])
    assert isinstance(read.record, Ignored)


def test_an_export_of_an_earlier_version_is_refused_with_the_way_out(professional):
    columns = exported(professional).partition("\r\n")[0].split(",")[:12]
    source = OwnExport(account_id=professional.pk, zone=ZoneInfo("UTC"), now=NOW)
    with pytest.raises(BadFileError, match="Export the period once more"):
        source.takes_as_header(columns)


def test_our_two_headers_are_told_apart(professional):
    columns = exported(professional).partition("\r\n")[0].split(",")
    canonical = ["Call ID", "usage-type", "status", "started_at", "remarks", ""]
    assert (is_own_export(columns), is_canonical(columns)) == (True, False)
    assert (is_own_export(canonical), is_canonical(canonical)) == (False, True)
