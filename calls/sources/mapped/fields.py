"""Each part of a profile made ready to read rows: everything that can be decided once, is.

What is made here takes a row, a list of texts, and knows at which place its own stand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from billing.texts import storable
from billing.zones import is_known
from calls.notations.clock import meanings
from calls.notations.durations import DurationReader, duration_reader
from calls.notations.nothing import NOTHING, said, telephone_number
from calls.notations.times import date_with_time, time_reader, zone_named
from calls.records import Instant, Note, Rejected
from calls.sources.mapped.profile import Amount, Choice, Moment
from calls.sources.mapped.words import WordTable

Texts: TypeAlias = Sequence[str]
Places: TypeAlias = Mapping[str, int]  # of each column in a row
Meaning = TypeVar("Meaning")

MomentReader: TypeAlias = Callable[[Texts], Sequence[Instant] | None]
AmountReader: TypeAlias = Callable[[Texts], int | None]
TextReader: TypeAlias = Callable[[Texts, list[Note]], str]

DIGITS_LOST: Final = "lost its last digits in a spreadsheet; it is left out."


def moment_reader(field: str, moment: Moment, places: Places, zone: ZoneInfo) -> MomentReader:
    """Return what reads the instants that a time can mean (one, or two); None where it is empty.

    ``zone`` is that of the import.
    """
    if moment.otherwise:
        return _with_otherwise(field, moment, places, zone)
    read = time_reader(moment.form)
    if moment.zone:
        zone = ZoneInfo(moment.zone)
    first, *others = (places[name] for name in moment.columns)
    if moment.zone_column:
        return _with_zone_column(field, moment, places, zone)
    if not others:

        def possible(row: Texts) -> Sequence[Instant] | None:
            instant = read(field, row[first], zone)
            return None if instant is None else meanings(field, instant, zone)

        return possible

    def joined(row: Texts) -> Sequence[Instant] | None:
        instant = read(field, _joined(row, first, others), zone)
        return None if instant is None else meanings(field, instant, zone)

    return joined


def _with_otherwise(field: str, moment: Moment, places: Places, zone: ZoneInfo) -> MomentReader:
    """Read other columns, each in its turn, where those of ``moment`` are empty.

    Those that the file does not have are left out.
    """
    columns = [moment.columns, *((name,) for name in moment.otherwise if name in places)]
    readers = [
        moment_reader(field, replace(moment, columns=own, otherwise=()), places, zone)
        for own in columns
    ]

    def first_told(row: Texts) -> Sequence[Instant] | None:
        for read in readers:
            if told := read(row):
                return told
        return None

    return first_told


def _with_zone_column(field: str, moment: Moment, places: Places, usual: ZoneInfo) -> MomentReader:
    read = time_reader(moment.form)
    first, *others = (places[name] for name in moment.columns)
    of_zone = places[moment.zone_column]

    def possible(row: Texts) -> Sequence[Instant] | None:
        named = row[of_zone].strip()
        instant = read(field, _joined(row, first, others), usual)
        if instant is None:
            return None
        if named in NOTHING or instant.at.tzinfo is not None:
            return meanings(field, instant, usual)
        if (place := _place(named)) is not None:
            return meanings(field, instant, place)
        if (offset := zone_named(named)) is not None:
            aware = Instant(instant.at.replace(tzinfo=offset), instant.finer)
            return meanings(field, aware, usual)
        # Perhaps an abbreviation that is certain on that day: read once more, with it.
        instant = read(field, f"{_joined(row, first, others)} {storable(named[:40])}", usual)
        return None if instant is None else meanings(field, instant, usual)

    return possible


@lru_cache(maxsize=1_000)
def _place(name: str) -> ZoneInfo | None:
    return ZoneInfo(name) if "/" in name and is_known(name) else None


def _joined(row: Texts, first: int, others: Sequence[int]) -> str:
    if not others:
        return row[first].strip()
    text = date_with_time(row[first], row[others[0]])
    return " ".join([text, *(row[place].strip() for place in others[1:])]) if text else text


def amount_reader(field: str, amount: Amount, places: Places) -> AmountReader:
    """Return what reads a length in microseconds; None where it is empty."""
    read: DurationReader = duration_reader(amount.unit, decimal=amount.decimal)
    place = places[amount.column]
    return lambda row: read(field, row[place])


class ChoiceReader(Generic[Meaning]):
    """Reads which of our words a row means; ``known`` are those words by their text."""

    def __init__(
        self, field: str, choice: Choice, places: Places, known: Mapping[str, Meaning]
    ) -> None:
        self._field = field
        self._places = [places[name] for name in choice.columns]
        self._table = WordTable((known[ours], theirs) for ours, theirs in choice.words)
        self.otherwise: Meaning | None = known[choice.otherwise] if choice.otherwise else None
        self.by = choice.by
        self._takes_any = bool(choice.otherwise)

    def word(self, row: Texts) -> Meaning | None:
        """What the first word means that stands there, None where none does.

        A word that is not known means none where there is a usual meaning, else raises Rejected.
        """
        for place in self._places:
            text = row[place]
            meaning = self._table.meaning(text)
            if meaning is not None:
                return meaning
            if text.strip() not in NOTHING and not self._takes_any:
                raise Rejected(self._field, self._table.reason_against(text))
        return None

    def missing(self) -> Rejected:
        """Why a row is rejected in which nothing stands."""
        return Rejected(self._field, self._table.reason_against(""))


def text_reader(columns: Sequence[str], constant: str, places: Places, joint: str) -> TextReader:
    """Return what reads a text: its columns joined by ``joint``, else the ``constant``.

    What several columns say alike stands there once.
    """
    own = [places[name] for name in columns if name in places]
    if not own:
        return lambda _, __: constant
    if len(own) == 1:
        (place,) = own
        return lambda row, _: said(row[place]) or constant

    def joined(row: Texts, _: list[Note]) -> str:
        told = [text for place in own if row[place] and (text := said(row[place]))]
        return joint.join(told if len(told) == 1 else dict.fromkeys(told)) or constant

    return joined


def first_text_reader(columns: Sequence[str], places: Places) -> Callable[[Texts], str]:
    """Return what reads the first of the columns that says anything; empty where none does."""
    own = [places[name] for name in columns if name in places]

    def read(row: Texts) -> str:
        for place in own:
            if row[place] and (text := said(row[place])):
                return text
        return ""

    return read


def number_reader(field: str, columns: Sequence[str], constant: str, places: Places) -> TextReader:
    """Return what reads a telephone number or address: the first of its columns with one.

    One that a spreadsheet has spoilt is left out, with a note; the call is kept.
    """
    own = [places[name] for name in columns if name in places]
    if not own:
        return lambda _, __: constant

    def read(row: Texts, notes: list[Note]) -> str:
        for place in own:
            number = telephone_number(row[place])
            if number is None:
                notes.append(Note(field, DIGITS_LOST))
            elif number:
                return number
        return constant

    return read
