"""The columns of times in an unknown file: how they are written, and where on earth.

One system wrote them all: what one column proves about day and month is true of the others.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from billing.texts import storable
from billing.zones import is_known
from calls.notations.layout import Fact
from calls.notations.times import zone_named
from calls.records import CLOCK_AHEAD_MAX
from calls.sources.mapped.agreeing import Rows
from calls.sources.mapped.answers import Question
from calls.sources.mapped.assigning import TIMES, Parts
from calls.sources.mapped.columns import Column
from calls.sources.mapped.date_order import DateOrder
from calls.sources.mapped.id_times import IdProof, offset_in_words, time_in_id, zone_of_offset
from calls.sources.mapped.profile import Moment


class FoundTimes:
    """The columns of times: how they are written, and where on earth."""

    def __init__(
        self,
        parts: Parts,
        orders: Mapping[str, DateOrder],
        *,
        zone: ZoneInfo,
        now: datetime,
    ) -> None:
        """Take the columns with what is known of those in which day or month may come first."""
        self._parts = {part: parts[part] for part in (*TIMES, "revised_at") if part in parts}
        self._ids = parts.get("call_id", ())
        self._zone_column = parts.get("zone", ())
        self._orders = orders
        self._zone = zone
        self._last = (now + CLOCK_AHEAD_MAX).date()

    def moments(self, facts: list[Fact], questions: list[Question]) -> dict[str, Moment]:
        """Return the Moment of each part."""
        orders = self._day_or_month(facts, questions)
        told = {}
        for part, columns in self._parts.items():
            forms = forms_of(columns)
            written = orders[columns[0].title] if len(forms) > 1 else forms[0]
            told[part] = self._placed(
                Moment(tuple(column.title for column in columns), written), columns
            )
        first = told.get("started_at") or next(iter(told.values()))
        return self._in_zone(told, first, facts)

    def _day_or_month(self, facts: list[Fact], questions: list[Question]) -> dict[str, str]:
        """Decide what comes first in each column of dates: what one proves counts for all."""
        proven: dict[str, str] = {}
        for title, order in self._orders.items():
            order.check(title)
            if (form := order.proven) is not None:
                proof = order.day_first or order.month_first
                assert proof is not None
                if form not in proven.values():
                    said = f"“{storable(proof.text[:30])}” (line {proof.number})"
                    facts.append(Fact("dates", f"The {_first(form)} comes first: {said}."))
                proven[title] = form
        known = set(proven.values())
        if len(known) == 1:
            return dict.fromkeys(self._orders, known.pop())
        open_ones = {
            title: order
            for title, order in self._orders.items()
            if title not in proven and order.matters
        }
        decided = self._by_circumstances(open_ones, facts)
        if decided is None and open_ones:
            title, order = next(iter(open_ones.items()))
            questions.append(_asked(title, order))
        return {title: proven.get(title, decided or "dmy") for title in self._orders}

    def _by_circumstances(self, orders: Mapping[str, DateOrder], facts: list[Fact]) -> str | None:
        """Decide by IDs, else by the order of the rows, else by the calendar; each over all."""
        for title in orders:
            if by_ids := self._order_by_ids(title):
                facts.append(Fact("dates", f"IDs prove that the {_first(by_ids)} comes first."))
                return by_ids
        for order in orders.values():
            if sorted_as := order.sorted_as:
                said = f"The {_first(sorted_as)} comes first: so read, the rows are in order."
                facts.append(Fact("dates", said))
                return sorted_as
        for order in orders.values():
            if until_now := order.until(self._last):
                said = (
                    f"The {_first(until_now)} comes first: read the other way, some calls would be "
                    "in the future."
                )
                facts.append(Fact("dates", said))
                return until_now
        return None

    def _order_by_ids(self, title: str) -> str | None:
        """The order in which the dates are as far from the times in IDs in nearly all records."""
        if not self._ids:
            return None
        fitting = [
            form
            for form in ("dmy", "mdy")
            if any(
                columns[0].title == title and self._proof(columns, form).offset is not None
                for columns in self._parts.values()
            )
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _proof(self, columns: tuple[Column, ...], form: str) -> IdProof:
        proof = IdProof(self._zone)
        if not self._ids:
            return proof
        moment = Moment(tuple(column.title for column in columns), form)
        written = Rows(columns).naive(moment)
        for text, at in zip(self._ids[0].texts, written, strict=True):
            in_id = time_in_id(text.strip())
            if at is not None and in_id is not None:
                proof.add(at, in_id)
        return proof

    def _placed(self, moment: Moment, columns: tuple[Column, ...]) -> Moment:
        """Give ``moment`` the zone that the name of a column tells, or a column of zones."""
        hint = next((column.name.zone for column in columns if column.name.zone), "")
        if "/" in hint and is_known(hint):
            return replace(moment, zone=hint)
        named = zone_named(hint)
        offset = named.utcoffset(None) if named else None
        if offset is not None and (zone := zone_of_offset(offset)):
            return replace(moment, zone=zone)
        if self._zone_column and not moment.form.startswith(("epoch", "gregorian")):
            return replace(moment, zone_column=self._zone_column[0].title)
        return moment

    def _in_zone(
        self, told: dict[str, Moment], first: Moment, facts: list[Fact]
    ) -> dict[str, Moment]:
        """Say in which zone the times are; set it where IDs prove another than the account's."""
        columns = self._parts["started_at" if "started_at" in told else next(iter(told))]
        if first.form.startswith(("epoch", "gregorian")):
            return told
        if first.zone or first.zone_column:
            where = first.zone or f"as the column “{first.zone_column}” says"
            facts.append(Fact("zone", f"Times are in the zone that the file names: {where}."))
            return told
        if Rows(columns).have_offsets(first):
            facts.append(Fact("zone", "Each time names its own offset from UTC."))
            return told
        proof = self._proof(columns, first.form)
        name = "" if proof.is_of_zone or proof.offset is None else zone_of_offset(proof.offset)
        if name and proof.offset is not None:
            said = f"IDs prove that times are in {offset_in_words(proof.offset)}."
            facts.append(Fact("zone", said))
            return {
                part: moment if moment.zone or part == "revised_at" else replace(moment, zone=name)
                for part, moment in told.items()
            }
        if proof.offset is not None and not proof.is_of_zone:
            words = offset_in_words(proof.offset)
            facts.append(Fact("zone", f"IDs prove that times are in {words}: choose a zone."))
            return told
        begun = "IDs prove that times are" if proof.is_of_zone else "Times are taken to be"
        facts.append(Fact("zone", f"{begun} on the wall clock of {self._zone.key}, your own."))
        return told


def forms_of(columns: tuple[Column, ...]) -> tuple[str, ...]:
    """The forms in which a time may be written, which stands in one column or in two."""
    return columns[0].date_forms if len(columns) > 1 else columns[0].forms


def _asked(title: str, order: DateOrder) -> Question:
    assert order.example is not None
    meant = order.spelt_out()
    return Question(
        "dates",
        f"What does “{storable(order.example.text[:30])}” in “{storable(title[:40])}” mean?",
        (("dmy", meant["dmy"]), ("mdy", meant["mdy"])),
    )


def _first(order: str) -> str:
    return "day" if order == "dmy" else "month"
