"""Files that telephone switches write, Asterisk and FreeSWITCH: what is particular to them.

Which zone their times are in, and whether a spreadsheet turned day and month, their IDs prove. What
they do not say (who called whom, which calls are internal) is taken as usual and said, or asked.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.imports.detecting_zones import Pair, agreement, proven_zone
from calls.notations import BadFileError
from calls.notations.layout import DELIMITED, JSON, Examined, Fact
from calls.notations.times import time_reader
from calls.records import Rejected
from calls.sources import freeswitch
from calls.sources.asterisk import CHARGE, IGNORE, AsteriskCsv
from calls.sources.asterisk import columns as asterisk
from calls.sources.asterisk.records import (
    DAY_FIRST,
    MONTH_FIRST,
    YEAR_FIRST,
    looks_internal,
    read_instant,
    value,
)
from calls.sources.freeswitch import FreeSwitch
from calls.sources.freeswitch import columns as templates
from calls.sources.mapped.answers import Question
from calls.sources.mapped.date_order import DateOrder
from calls.sources.mapped.id_times import time_in_id

SHARE_MIN: Final = 0.9

# Dialplan contexts of calls from outside: those of FreePBX, and what others name so.
FROM_OUTSIDE: Final = re.compile(
    r"from-(?:trunk|pstn|did|outside|external|sip-external|zaptel|dahdi|provider)\b.*"
    r"|ext-did.*|incoming.*|inbound.*",
    re.IGNORECASE,
)
DIRECTION: Final = (
    "The file does not say who called whom: calls are taken to be outbound, unless you say "
    "otherwise."
)


class Switch(NamedTuple):
    """What `calls.imports.detecting.Detected` is made of."""

    format: str
    options: dict[str, Any]
    zone: str
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...] = ()


# ── Asterisk ──────────────────────────────────────────────────────────────────────────────────
def asterisk_file(examined: Examined, *, account_zone: ZoneInfo, now: datetime) -> Switch | None:
    """Return what is found out of a file by Asterisk, None where it is not.

    Raises BadFileError where some dates have the day first for certain, others the month.
    """
    found = _cdrs(examined)
    if found is None:
        return None
    said, cdrs = found
    facts = [Fact("format", said)]
    options: dict[str, Any] = {}
    questions: list[Question] = []
    dates = _dates(cdrs, examined, now=now)
    if dates is not None:
        options["dates"] = dates.order
        (questions if dates.is_asked else facts).append(dates.said)
    pairs = _first_pairs(
        (value(cdr, "uniqueid"), _wall_clock(cdr, options.get("dates", YEAR_FIRST), account_zone))
        for cdr in cdrs
    )
    zone = _zone(pairs, account_zone, facts)
    contexts = sorted({cdr.get("dcontext", "") for cdr in cdrs})
    inbound = [context for context in contexts if FROM_OUTSIDE.fullmatch(context)]
    if inbound:
        options["inbound_contexts"] = inbound
        named = ", ".join(f"“{storable(context[:40])}”" for context in inbound)
        facts.append(
            Fact("direction", f"Calls of the dialplan contexts {named} are taken to be inbound.")
        )
    elif not any(value(cdr, "did") for cdr in cdrs):
        facts.append(Fact("direction", DIRECTION))
    if question := _internal(cdrs):
        questions.append(question)
    return Switch(AsteriskCsv.name, options, zone, tuple(facts), tuple(questions))


def _cdrs(examined: Examined) -> tuple[str, list[Mapping[str, str]]] | None:
    """Return what kind of file by Asterisk this is, and the first records by Asterisk's names."""
    layout = examined.layout
    names = asterisk.names_of(layout.columns)
    if asterisk.is_header(names) and (layout.notation == JSON or layout.has_header):
        cdrs = [
            asterisk.named(asterisk.names_of(tuple(raw.values)), list(raw.values.values()))
            for raw in examined.sample
        ]
        if layout.notation == JSON:
            return "This looks like Asterisk's call records as JSON.", cdrs
        if "calldate" in names:
            return "This looks like a table of Asterisk's call records, such as FreePBX's.", cdrs
        return "This looks like Asterisk's call records, with a header.", cdrs
    if layout.notation != DELIMITED or layout.has_header or not examined.sample:
        return None
    rows = [list(raw.values.values()) for raw in examined.sample]
    orders = [asterisk.order_of(row) for row in rows]
    known = [order for order in orders if order is not None]
    if len(known) < SHARE_MIN * len(rows):
        return None
    cdrs = [
        asterisk.named(order, row)
        for order, row in zip(orders, rows, strict=True)
        if order is not None
    ]
    order = max(set(known), key=known.count)
    if order[0] == "accountcode":
        what = "Asterisk's Master.csv"
    elif order[0] == "clid":
        what = "the sample of Asterisk's cdr_custom"
    else:
        what = "a table of Asterisk's call records, without a header,"
    return f"This looks like {what} with {len(order)} columns.", cdrs


class _Dates(NamedTuple):
    order: str
    said: Any  # a Fact, or a Question where ``is_asked``
    is_asked: bool = False


def _dates(
    cdrs: Sequence[Mapping[str, str]], examined: Examined, *, now: datetime
) -> _Dates | None:
    """Return the order of day and month, where a spreadsheet rewrote the dates; None where not."""
    order = DateOrder()
    name = "start"
    for raw, cdr in zip(examined.sample, cdrs, strict=False):
        name = "start" if "start" in cdr else "calldate"
        text = value(cdr, name)
        if not text[:4].isdigit():
            order.add(raw.number, text)
    order.check(name)
    proven = order.proven
    if proven is not None:
        return _Dates(proven, _day_or_month(proven, "a number above 12 proves it"))
    if not order.matters:
        return None
    shares = {one: agreement(_pairs_of(cdrs, one)) for one in (DAY_FIRST, MONTH_FIRST)}
    by_ids = max(shares, key=shares.__getitem__)
    if shares[by_ids] >= SHARE_MIN > min(shares.values()):
        return _Dates(by_ids, _day_or_month(by_ids, "the IDs prove it"))
    last = (now + timedelta(days=1)).date()
    if (likely := order.sorted_as) is not None:
        return _Dates(likely, _day_or_month(likely, "otherwise they would be in no order"))
    if (likely := order.until(last)) is not None:
        said = "otherwise some calls would be in the future"
        return _Dates(likely, _day_or_month(likely, said))
    meanings = order.spelt_out()
    choices = tuple((one, meaning) for one, meaning in meanings.items())
    assert order.example is not None
    said = f"What is “{storable(order.example.text[:20])}”?"
    return _Dates(DAY_FIRST, Question("dates", said, choices), is_asked=True)


def _day_or_month(order: str, because: str) -> Fact:
    first = "day" if order == DAY_FIRST else "month"
    return Fact("dates", f"In dates the {first} comes first: {because}.")


def _pairs_of(cdrs: Sequence[Mapping[str, str]], dates: str) -> list[Pair]:
    utc = ZoneInfo("UTC")
    return _first_pairs((value(cdr, "uniqueid"), _wall_clock(cdr, dates, utc)) for cdr in cdrs)


def _wall_clock(cdr: Mapping[str, str], dates: str, zone: ZoneInfo) -> datetime | None:
    """Return when a call started, as its clock showed it; None where it can't be told."""
    name = "start" if "start" in cdr else "calldate"
    try:
        instant = read_instant(name, value(cdr, name), zone, dates)
    except Rejected:
        return None
    return instant.at if instant is not None and instant.at.tzinfo is None else None


def _first_pairs(told: Any) -> list[Pair]:
    """Return written and true times of the first record of each ID: later ones are later legs."""
    pairs = {}
    for call_id, written in told:
        if written is None or call_id in pairs:
            continue
        if (in_id := time_in_id(call_id)) is not None:
            pairs[call_id] = Pair(written, in_id)
    return list(pairs.values())


def _zone(pairs: Sequence[Pair], account_zone: ZoneInfo, facts: list[Fact]) -> str:
    """Return the name of the zone that IDs prove, else the account's; add to ``facts`` which."""
    proven = proven_zone(pairs, account_zone=account_zone)
    if proven is not None:
        facts.append(Fact("zone", f"IDs prove {proven.words}."))
        return proven.zone
    facts.append(
        Fact("zone", f"Times are taken to be on the wall clock of {account_zone.key}, your own.")
    )
    return account_zone.key


def _internal(cdrs: Sequence[Mapping[str, str]]) -> Question | None:
    """Return the question whether internal calls are charged, where there are some."""
    calls: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for number, cdr in enumerate(cdrs):
        calls[value(cdr, "linkedid", "uniqueid") or f"#{number}"].append(cdr)
    internal = [legs for legs in calls.values() if all(map(looks_internal, legs))]
    if not internal:
        return None
    one = internal[0][0]
    source, target = (storable(value(one, name)[:20]) for name in ("src", "dst"))
    said = (
        f"{len(internal):,} of the first {len(calls):,} calls took place between extensions, or "
        f"were feature codes (such as “{source}” to “{target}”). Are such calls charged?"
    )
    choices = ((CHARGE, "Yes, like any other call"), (IGNORE, "No, leave them out"))
    return Question("internal_calls", said, choices)


# ── FreeSWITCH ────────────────────────────────────────────────────────────────────────────────
def freeswitch_file(examined: Examined, *, account_zone: ZoneInfo) -> Switch | None:
    """Return what is found out of a file by FreeSWITCH, None where it is not.

    Raises BadFileError where it holds statements in SQL.
    """
    layout = examined.layout
    values = [raw.values for raw in examined.sample]
    if not values:
        return None
    if layout.notation == JSON:
        if _share(templates.is_document, values) < SHARE_MIN:
            return None
        said = "This looks like documents of FreeSWITCH's json_cdr."
        facts = [Fact("format", said), Fact("zone", "Its times name the instant: no zone matters.")]
        return Switch(FreeSwitch.name, {}, account_zone.key, tuple(facts))
    first = [*layout.columns[:1], *list(values[0].values())[:1]]
    if any(text.lstrip().upper().startswith("INSERT INTO") for text in first):
        raise BadFileError(freeswitch.SQL)
    if layout.has_header:
        names = [name.strip().lower() for name in layout.columns]
        if not templates.is_header(names):
            return None
        facts = [Fact("format", "This looks like a table of FreeSWITCH's call records.")]
        told = [{name.strip().lower(): text for name, text in one.items()} for one in values]
    else:
        rows = [list(one.values()) for one in values]
        if _share(lambda row: templates.template_of(row) is not None, rows) < SHARE_MIN:
            return None
        found = [(name, row) for row in rows if (name := templates.template_of(row))]
        name = found[0][0]
        said = f"This looks like FreeSWITCH's cdr_csv, template “{name}”"
        more = len(rows[0]) - len(templates.TEMPLATES[name])
        facts = [Fact("format", f"{said}, with {more} more columns." if more else f"{said}.")]
        told = [dict(zip(templates.TEMPLATES[name], row, strict=False)) for name, row in found]
    zone = account_zone.key
    if not any("start_epoch" in one or "start_uepoch" in one for one in told):
        pairs = _first_pairs((one.get("uuid", ""), _stamp(one)) for one in told)
        zone = _zone(pairs, account_zone, facts)
    if not any(one.get("direction") for one in told):
        facts.append(Fact("direction", DIRECTION))
    second = {one["bleg_uuid"] for one in told if one.get("bleg_uuid")}
    if any(one.get("uuid") in second for one in told):
        facts.append(
            Fact(
                "legs",
                "The file has both legs of calls, and does not say of which call the second ones "
                "are: each is charged. Write only first legs (legs=a in cdr_csv.conf.xml).",
            )
        )
    return Switch(FreeSwitch.name, {}, zone, tuple(facts))


def _stamp(told: Mapping[str, str]) -> datetime | None:
    text = told.get("start_stamp", "").strip()
    try:
        instant = time_reader("iso")("start_stamp", text, ZoneInfo("UTC"))
    except Rejected:
        return None
    return instant.at if instant is not None and instant.at.tzinfo is None else None


def _share(test: Callable[[Any], bool], values: Sequence[Any]) -> float:
    return sum(map(test, values)) / len(values)
