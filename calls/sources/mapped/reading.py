"""One record of a file, read by a profile: its parts are read, put together and validated."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from billing.plans.rating import UsageType
from calls.models import Status
from calls.notations.nothing import NOTHING
from calls.records import (
    STATUSES,
    USAGE_TYPES,
    CallRecord,
    Instant,
    Note,
    Rejected,
    validate,
)
from calls.sources.mapped.assembling import Assembled, Stated, assemble, decided_status
from calls.sources.mapped.fields import (
    ChoiceReader,
    MomentReader,
    amount_reader,
    first_text_reader,
    moment_reader,
    number_reader,
    text_reader,
)
from calls.sources.mapped.profile import Moment, Profile

DAY: Final = timedelta(days=1)
UNTOLD: Final = (None,)
TALKED: Final = "says that nobody answered, but somebody talked; the call counts as answered."
# A time of day without seconds: 22:41, 10:41 PM, 22:41+05:30.
CUT: Final = re.compile(r"(?:^|[T ,])[0-9]{1,2}:[0-9]{2}(?![0-9]|[:.,][0-9])")
SUSPICIOUS: Final = "is far from what the times say; the times decide."


class ReadRecord(NamedTuple):
    """A call record, and whether the lengths that were stated agree with its times."""

    record: CallRecord
    agrees: bool | None


class _Times(NamedTuple):
    status: Status
    assembled: Assembled
    word: Status | None  # what the file says of the outcome


class RecordReader:
    """Reads rows with a column at each of ``places``. ``zone`` is that of the import.

    ``reporter`` is that of the records (`calls.reporters`), where it is known.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        places: Mapping[str, int],
        account_id: int,
        zone: ZoneInfo,
        now: datetime,
        reporter: str = "",
    ) -> None:
        self._account_id = account_id
        self._reporter = reporter
        self._now = now
        self._is_of_legs = bool(profile.group)

        def moment(field: str, told: Moment | None) -> MomentReader | None:
            return moment_reader(field, told, places, zone) if told else None

        self._started_at = moment("started_at", profile.started_at)
        self._connected_at = moment("connected_at", profile.connected_at)
        self._ended_at = moment("ended_at", profile.ended_at)
        revised_at = profile.revised_at
        if revised_at and not all(name in places for name in revised_at.columns):
            revised_at = None
        self._revised_at = moment("revised_at", revised_at)
        times = [profile.started_at, profile.connected_at, profile.ended_at]
        self._has_seconds = not any(told and told.precision == "minute" for told in times)
        # Where each time of day stands: none where there are no lengths that could say more.
        self._clocks = [
            [places[name] for name in told.columns]
            for told in times
            if told and (profile.talk or profile.total)
        ]
        self._connects_on_date = _shares_date(profile.started_at, profile.connected_at)
        self._ends_on_date = _shares_date(profile.started_at, profile.ended_at)
        self._total = profile.total and amount_reader("total", profile.total, places)
        self._talk = profile.talk and amount_reader("talk", profile.talk, places)
        self._waiting = profile.waiting and amount_reader("waiting", profile.waiting, places)
        self._usage_type = ChoiceReader("usage_type", profile.usage_type, places, USAGE_TYPES)
        self._status = ChoiceReader("status", profile.status, places, STATUSES)
        set_to = dict(profile.constants)
        self._agent = text_reader(profile.agent, set_to.get("agent", ""), places, " ")
        self._remarks = text_reader(profile.remarks, set_to.get("remarks", ""), places, ", ")
        self._from = number_reader("from", profile.from_number, set_to.get("from", ""), places)
        self._to = number_reader("to", profile.to_number, set_to.get("to", ""), places)
        self._customer = number_reader("customer", profile.customer, "", places)
        self._own = number_reader("own", profile.own, "", places)
        self._carrier_id = first_text_reader(profile.carrier_id, places)
        # Of a leg it is that of its call.
        self._is_of_carrier = bool(profile.carrier_id) and (
            profile.carrier_id == profile.call_id.columns
        )
        self._prefix = profile.call_id.prefix

    def read(self, row: Sequence[str], call_id: str) -> ReadRecord:
        """Return what ``row`` says of the call. Raises Rejected."""
        usage_type = self._usage_type.word(row) or self._usage_type.otherwise
        if usage_type is None:
            raise self._usage_type.missing()
        status, assembled, word = self._times(row)
        notes: list[Note] = []
        if word not in (None, status):
            notes.append(Note("status", TALKED))
        if assembled.suspicious:
            notes.append(Note(assembled.suspicious, SUSPICIOUS))
        caller, called = self._own(row, notes), self._customer(row, notes)
        if usage_type is UsageType.INBOUND:
            caller, called = called, caller
        revised = self._revised_at(row) if self._revised_at else None
        record = validate(
            account_id=self._account_id,
            call_id=call_id,
            usage_type=usage_type,
            status=status,
            started_at=assembled.started_at,
            connected_at=assembled.connected_at,
            ended_at=assembled.ended_at,
            agent=self._agent(row, notes),
            from_number=self._from(row, notes) or caller,
            to_number=self._to(row, notes) or called,
            remarks=self._remarks(row, notes),
            # Of a leg, how far it reaches: `calls.legs`.
            revised_at=assembled.ended_at if self._is_of_legs else revised[0] if revised else None,
            carrier_id=(
                call_id.removeprefix(self._prefix) if self._is_of_carrier else self._carrier_id(row)
            ),
            reporter=self._reporter,
            now=self._now,
        )
        if notes:
            record = record._replace(notes=(*notes, *record.notes))
        return ReadRecord(record, assembled.agrees)

    def _times(self, row: Sequence[str]) -> _Times:
        started = self._started_at(row) if self._started_at else None
        connected = self._connected_at(row) if self._connected_at else None
        ended = self._ended_at(row) if self._ended_at else None
        total = self._total(row) if self._total else None
        talk = self._talk(row) if self._talk else None
        waiting = self._waiting(row) if self._waiting else None
        word = self._status.word(row)
        has_seconds = self._has_seconds and not (self._clocks and self._is_cut(row))
        starts, connects, ends = started or UNTOLD, connected or UNTOLD, ended or UNTOLD
        if len(starts) == len(connects) == len(ends) == 1:  # as nearly always
            stated = Stated(starts[0], connects[0], ends[0], total, talk, waiting)
            return self._assembled(word, stated, has_seconds)
        every = [Stated(*times, total, talk, waiting) for times in product(starts, connects, ends)]
        return self._likeliest(word, every, has_seconds)

    def _is_cut(self, row: Sequence[str]) -> bool:
        """Whether no time of the record is written with seconds."""
        has_any = False
        for places in self._clocks:
            texts = [row[place] for place in places]
            if any(CUT.search(text.strip()) for text in texts):
                has_any = True
            elif any(text.strip() not in NOTHING for text in texts):
                return False
        return has_any

    def _likeliest(self, word: Status | None, every: Sequence[Stated], has_seconds: bool) -> _Times:
        """Decide which of two hours is meant where a clock was set back.

        That in which lengths agree with the times, then the shortest call: nobody pays for an hour
        in doubt.
        """
        possible: list[tuple[bool, timedelta, _Times]] = []
        error: Rejected | None = None
        for stated in every:
            try:
                times = self._assembled(word, stated, has_seconds)
            except Rejected as rejected:
                error = error or rejected
            else:
                length = _length(times.assembled)
                possible.append((times.assembled.agrees is False, length, times))
        if not possible:
            assert error is not None
            raise error
        in_order = [one for one in possible if one[1] >= timedelta()]
        return min(in_order or possible, key=lambda one: one[:2])[2]

    def _assembled(self, word: Status | None, stated: Stated, has_seconds: bool) -> _Times:
        started_at = stated.started_at
        if started_at is not None and (self._connects_on_date or self._ends_on_date):
            stated = self._past_midnight(stated, started_at)
        status = decided_status(
            word=word, by=self._status.by, otherwise=self._status.otherwise, stated=stated
        )
        if status is None:
            raise self._status.missing()
        if (
            self._connected_at is not None
            and status is Status.COMPLETED
            and stated.connected_at is None
            and stated.talk is None
            and stated.waiting is None
        ):
            raise Rejected("connected_at", "is missing: a completed call was connected.")
        assembled = assemble(status=status, stated=stated, has_seconds=has_seconds)
        return _Times(status, assembled, word)

    def _past_midnight(self, stated: Stated, started_at: Instant) -> Stated:
        """Move times of day that share the date of the start to the next, where they are earlier.

        A minute and less is a clock that was set, not a day.
        """
        before = Instant(started_at.at - timedelta(minutes=1))
        connected_at, ended_at = stated.connected_at, stated.ended_at
        if connected_at and self._connects_on_date and connected_at < before:
            stated = stated._replace(connected_at=Instant(connected_at.at + DAY))
        if ended_at and self._ends_on_date and ended_at < before:
            stated = stated._replace(ended_at=Instant(ended_at.at + DAY))
        return stated


def _shares_date(first: Moment | None, other: Moment | None) -> bool:
    """Whether one column has the date of both times."""
    if first is None or other is None or len(first.columns) < 2 or len(other.columns) < 2:
        return False
    return first.columns[0] == other.columns[0]


def _length(times: Assembled) -> timedelta:
    """From start to end; negative where they do not follow each other."""
    instants = [times.started_at, times.connected_at, times.ended_at]
    known = [instant for instant in instants if instant is not None]
    if known != sorted(known):
        return -timedelta.resolution
    return known[-1].at - known[0].at
