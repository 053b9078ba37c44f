"""What a file proves against a mapping that was made for another one.

The mapping of an earlier file says which of day and month comes first, and in which zone times are.
Where this file proves otherwise, neither is believed: whoever imports it is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.notations import RawRecord
from calls.notations.layout import Examined
from calls.notations.reading import reader_for
from calls.records import CLOCK_AHEAD_MAX
from calls.sources.mapped.agreeing import Rows
from calls.sources.mapped.answers import DAY_ORDERS, Question
from calls.sources.mapped.columns import Column
from calls.sources.mapped.date_order import DateOrder
from calls.sources.mapped.id_times import IdProof, offset_in_words, time_in_id, zone_of_offset
from calls.sources.mapped.profile import Moment, Profile
from calls.sources.mapped.source import columns_of
from calls.sources.mapped.whole_columns import WholeColumns

RECORDS_MAX: Final = 200_000  # read within seconds
COUNTED: Final = ("epoch", "gregorian")  # the beginnings of forms that need no zone

# A time of the profile, with its columns in the file.
Placed = tuple[Moment, tuple[Column, ...]]


def records_of(examined: Examined) -> Iterator[RawRecord[Any]]:
    """The records of the file, of a long one its first: what decides over whole columns."""
    examined.file.seek(0)
    yield from islice(reader_for(examined.layout, examined.file), RECORDS_MAX)
    examined.file.seek(0)


def contradictions(
    profile: Profile, examined: Examined, *, zone: ZoneInfo, now: datetime
) -> list[Question]:
    """Ask what the file proves to be otherwise than ``profile`` says: "dates", "zone".

    ``zone`` is that of times for which the profile names none.
    Raises BadFileError where the dates of a column contradict each other.
    """
    names = columns_of(profile, examined.layout)
    columns = {
        _alike(name): Column(name, [raw.values.get(written, "") for raw in examined.sample])
        for name, written in zip(names, examined.layout.columns, strict=True)
    }
    times: list[Placed] = []
    for moment in (profile.started_at, profile.connected_at, profile.ended_at):
        own = [columns.get(_alike(name)) for name in moment.columns] if moment else []
        if moment is not None and all(own):
            times.append((moment, tuple(column for column in own if column is not None)))
    if not times:
        return []
    told_ids = profile.call_id.columns
    ids = columns.get(_alike(told_ids[0])) if len(told_ids) == 1 else None
    asked = []
    orders = _orders(names, times, examined)
    shown = _shown_order(times, orders, ids, zone, now)
    if shown is not None:
        form, why, title = shown
        asked.append(_about_dates(form, why, title, orders[title]))
    moment, own_columns = times[0]
    form = shown[0] if shown is not None and moment.form in DAY_ORDERS else moment.form
    if question := _about_zone(
        moment, _proof(own_columns, form, ids, _zone_of(moment, zone)), zone
    ):
        asked.append(question)
    return asked


def _orders(
    names: Sequence[str], times: Sequence[Placed], examined: Examined
) -> Mapping[str, DateOrder]:
    """What each column tells in which day or month may come first."""
    dates = [own[0].title for moment, own in times if moment.form in DAY_ORDERS]
    whole = WholeColumns(names, dates=dates, words=(), times=())
    if dates:
        whole.read(records_of(examined))
    for title, order in whole.orders.items():
        order.check(title)
    return whole.orders


def _shown_order(
    times: Sequence[Placed],
    orders: Mapping[str, DateOrder],
    ids: Column | None,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[str, str, str] | None:
    """The order that the file proves against the profile, how, and in which column; else None."""
    of_days = [
        (moment, own, orders[own[0].title]) for moment, own in times if moment.form in DAY_ORDERS
    ]
    proven = [(order.proven, moment, own, order) for moment, own, order in of_days if order.proven]
    for form, moment, own, order in proven:
        if form != moment.form:
            place = order.day_first or order.month_first
            assert place is not None
            return form, f"“{storable(place.text[:30])}” (line {place.number})", own[0].title
    if proven:
        return None
    for moment, own, _ in of_days:
        fitting = [
            form
            for form in DAY_ORDERS
            if _proof(own, form, ids, _zone_of(moment, zone)).offset is not None
        ]
        if len(fitting) == 1:
            is_other = fitting[0] != moment.form
            return (fitting[0], "the times in the IDs", own[0].title) if is_other else None
    for moment, own, order in of_days:
        if order.sorted_as is not None:
            is_other = order.sorted_as != moment.form
            return (order.sorted_as, "the order of the rows", own[0].title) if is_other else None
    last = (now + CLOCK_AHEAD_MAX).date()
    for moment, own, order in of_days:
        until_now = order.until(last)
        if until_now is not None and until_now != moment.form:
            return (
                until_now,
                "the calendar: otherwise some calls would be in the future",
                own[0].title,
            )
    return None


def _about_dates(form: str, why: str, title: str, order: DateOrder) -> Question:
    """Ask what the dates mean; what the file proves is offered first."""
    other = next(one for one in DAY_ORDERS if one != form)
    said = (
        f"In dates, the mapping puts the {_first(other)} first, but this file puts the "
        f"{_first(form)} first, going by {why}."
    )
    words: Mapping[str, str]
    if order.example is None:
        words = {one: f"The {_first(one)} comes first" for one in DAY_ORDERS}
        said = f"{said} Which comes first?"
    else:
        words = {str(one): meant for one, meant in order.spelt_out().items()}
        example = f"“{storable(order.example.text[:30])}” in “{storable(title[:40])}”"
        said = f"{said} What does {example} mean?"
    return Question("dates", said, ((form, words[form]), (other, words[other])))


def _about_zone(moment: Moment, proof: IdProof, zone: ZoneInfo) -> Question | None:
    """Ask for the zone where IDs prove another one than that in which times are read."""
    if moment.zone_column or moment.form.startswith(COUNTED):
        return None
    if proof.offset is None or proof.is_of_zone:
        return None
    read_in = _zone_of(moment, zone).key
    said = (
        f"Times are read as those of {read_in}, but the IDs of the calls prove "
        f"{offset_in_words(proof.offset)}. In which zone are they?"
    )
    proven = zone_of_offset(proof.offset)
    choices = ((proven, f"{offset_in_words(proof.offset)}, as the IDs prove"),) if proven else ()
    return Question("zone", said, (*choices, (read_in, read_in)))


def _proof(own: tuple[Column, ...], form: str, ids: Column | None, zone: ZoneInfo) -> IdProof:
    """How far the times, read in ``form``, are from those in the IDs of their records."""
    proof = IdProof(zone)
    if ids is None:
        return proof
    moment = Moment(tuple(column.title for column in own), form)
    rows = Rows(own)
    if form.startswith(COUNTED) or rows.have_offsets(moment):
        return proof
    for text, at in zip(ids.texts, rows.naive(moment), strict=True):
        in_id = time_in_id(text.strip())
        if at is not None and in_id is not None:
            proof.add(at, in_id)
    return proof


def _zone_of(moment: Moment, zone: ZoneInfo) -> ZoneInfo:
    return ZoneInfo(moment.zone) if moment.zone else zone


def _alike(name: str) -> str:
    return "".join(name.casefold().split())


def _first(order: str) -> str:
    return "day" if order == "dmy" else "month"
