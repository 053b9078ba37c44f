"""What the tests of profiles share: a source over the rows of a file that is not there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from calls.notations import RawRecord
from calls.notations.layout import JSON, Layout
from calls.records import CallRecord
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import MappedSource

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
KOLKATA = "Asia/Kolkata"


def source_of(profile, columns: Sequence[str], *, zone=KOLKATA, **layout):
    if isinstance(profile, dict):
        profile = Profile.from_json(profile)
    return MappedSource(
        account_id=7,
        zone=ZoneInfo(zone),
        now=NOW,
        profile=profile,
        layout=Layout(columns=tuple(columns), **layout),
    )


def results(source, rows):
    """What each row comes to, read by itself."""
    raw = [RawRecord(number, "", row) for number, row in enumerate(rows, 2)]
    return [read for one in raw for read in source.read([one])]


def read_rows(profile, columns, rows, **options):
    return results(source_of(profile, columns, **options), rows)


def read_row(profile, values: dict[str, str], **options):
    """What a row with ``values`` by column comes to."""
    (read,) = read_rows(profile, list(values), [list(values.values())], **options)
    return read.record


def read_document(profile, values: dict[str, str]):
    (read,) = results(source_of(profile, [], notation=JSON), [values])
    return read.record


def local_times(record, zone=KOLKATA):
    """Start, connection and end on the wall clock of ``zone``, without date and zeros."""
    assert isinstance(record, CallRecord), record
    told = (record.started_at, record.connected_at, record.ended_at)
    return [at and at.astimezone(ZoneInfo(zone)).time().isoformat() for at in told]
