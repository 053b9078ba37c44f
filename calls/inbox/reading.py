"""From the events of a call to its record, for one source: by a profile, or by the platform."""

from collections.abc import Sequence
from datetime import datetime

from calls import reporters
from calls.models import CallSource
from calls.notations.layout import JSON, Layout
from calls.platforms import Platform, StoredEvent, Unfinished
from calls.records import CallRecord, Rejected, with_carrier_id
from calls.sources import Ignored
from calls.sources.mapped.source import MappedSource
from calls.sources.registry import platforms, shipped_profiles


class SourceReader:
    """Reads the calls of ``source`` at ``now``."""

    def __init__(self, source: CallSource, *, now: datetime) -> None:
        self._source = source
        self._now = now
        self._reporter = reporters.of_source(source.pk)
        self._platform: Platform = platforms()[source.kind]
        self._mapped: MappedSource | None = None
        # Whether anything tells the carrier's ID that reading does not look at.
        self._asks_for_carrier = True
        if self._platform.profile:
            looked_at = shipped_profiles()[self._platform.profile].carrier_id
            self._asks_for_carrier = not set(self._platform.carrier_id) <= set(looked_at)
            self._mapped = MappedSource(
                account_id=source.account_id,
                zone=source.account.zone,
                now=now,
                profile=shipped_profiles()[self._platform.profile],
                layout=Layout(notation=JSON),
                reporter=self._reporter,
            )

    def record(self, call_id: str, events: Sequence[StoredEvent]) -> CallRecord | Unfinished:
        """Make one record of all ``events`` of a call, reported by this source. Raises Rejected."""
        record = self._read(call_id, events)
        if isinstance(record, Unfinished):
            return record
        if self._asks_for_carrier and not record.carrier_id:
            told = self._platform.carrier_id_of(call_id, events)
            record = with_carrier_id(record, told) if told else record
        # What a profile reads names it already: a copy of each record would cost the most here.
        return record if record.reporter else record._replace(reporter=self._reporter)

    def _read(self, call_id: str, events: Sequence[StoredEvent]) -> CallRecord | Unfinished:
        if self._mapped is None:
            return self._platform.record(
                events,
                call_id=call_id,
                account_id=self._source.account_id,
                zone=self._source.account.zone,
                options=self._source.options,
                now=self._now,
            )
        try:
            record = self._mapped.read_one(self._platform.combined(events))
        except Rejected as rejected:
            raise Rejected(self._mapped.field_name(rejected.field), rejected.reason) from None
        return Unfinished(record.reason) if isinstance(record, Ignored) else record
