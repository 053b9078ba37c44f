"""The records of a sample read by a profile that is being proposed: what it would make of them."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from calls.models import Status
from calls.notations.times import date_with_time, time_reader
from calls.records import CallRecord, Rejected
from calls.sources.mapped.columns import ANY_ZONE, Column
from calls.sources.mapped.profile import Moment, Profile
from calls.sources.mapped.reading import ReadRecord, RecordReader


class Rows:
    """The records of ``columns``, by the places of their names."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.places = {column.title: place for place, column in enumerate(columns)}
        self._zone = columns[0].zone if columns else ANY_ZONE
        self.rows = list(zip(*(column.texts for column in columns), strict=True))

    def naive(self, moment: Moment) -> list[datetime | None]:
        """The time of each record as it is written; None where none can be read."""
        read = time_reader(moment.form)
        written: list[datetime | None] = []
        for text in self._texts(moment):
            try:
                instant = read("", text, self._zone)
            except Rejected:
                instant = None
            written.append(None if instant is None else instant.at.replace(tzinfo=None))
        return written

    def have_offsets(self, moment: Moment) -> bool:
        """Whether all the times name an offset or a zone of their own."""
        read = time_reader(moment.form)
        aware = []
        for text in self._texts(moment):
            try:
                instant = read("", text, self._zone)
            except Rejected:
                continue
            if instant is not None:
                aware.append(instant.at.tzinfo is not None)
        return bool(aware) and all(aware)

    def _texts(self, moment: Moment) -> list[str]:
        places = [self.places[name] for name in moment.columns]
        if len(places) == 1:
            return [row[places[0]].strip() for row in self.rows]
        return [date_with_time(row[places[0]], row[places[1]]) for row in self.rows]


def agreement(profile: Profile, rows: Rows, *, zone: ZoneInfo, now: datetime) -> float | None:
    """The share of records whose stated durations agree with their times; None without both."""
    read = _read(profile, rows, zone=zone, now=now)
    agreeing = [told.agrees for told in read if told is not None and told.agrees is not None]
    return sum(agreeing) / len(agreeing) if agreeing else None


def records(
    profile: Profile, rows: Rows, *, zone: ZoneInfo, now: datetime
) -> list[CallRecord | None]:
    """What each record tells; None where it can't be read."""
    read = _read(profile, rows, zone=zone, now=now)
    return [None if told is None else told.record for told in read]


def statuses(profile: Profile, rows: Rows, *, zone: ZoneInfo, now: datetime) -> list[Status | None]:
    """How each call ended; None where its record can't be read."""
    read = _read(profile, rows, zone=zone, now=now)
    return [None if told is None else told.record.status for told in read]


def _read(
    profile: Profile, rows: Rows, *, zone: ZoneInfo, now: datetime
) -> list[ReadRecord | None]:
    reader = RecordReader(profile=profile, places=rows.places, account_id=0, zone=zone, now=now)
    read: list[ReadRecord | None] = []
    for number, row in enumerate(rows.rows, 1):
        try:
            read.append(reader.read(row, f"row-{number}"))
        except Rejected:
            read.append(None)
    return read
