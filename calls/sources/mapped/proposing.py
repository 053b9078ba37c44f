"""A profile for a file that nobody knows: proposed from the names of its columns and their values.

What the file proves is said, with the proof. What it leaves open is asked, with an example spelt
out; nothing is guessed for a single row. A person may change everything afterwards.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.notations.layout import Fact
from calls.sources.mapped.agreeing import Rows, agreement
from calls.sources.mapped.answers import Question
from calls.sources.mapped.assigning import LENGTHS, LONG_TEXT, TIMES, Parts, Sample, assigned
from calls.sources.mapped.columns import Column
from calls.sources.mapped.found_legs import with_legs
from calls.sources.mapped.found_lengths import with_talk, with_units
from calls.sources.mapped.found_times import FoundTimes, forms_of
from calls.sources.mapped.found_words import status_told, usage_type_told
from calls.sources.mapped.naming import DROPPED
from calls.sources.mapped.precision import with_precision
from calls.sources.mapped.profile import Amount, Identity, Profile
from calls.sources.mapped.whole_columns import Record, WholeColumns

__all__ = ["Proposal", "Question", "propose"]


class Proposal(NamedTuple):
    """How a file may be read; ``profile`` is None where no time of a call was found."""

    profile: Profile | None
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]


def propose(
    columns: Sequence[str],
    sample: Sample,
    *,
    zone: ZoneInfo,
    now: datetime,
    records: Iterable[Record] | None = None,
) -> Proposal:
    """Propose a profile for a file with ``columns``, from its first records.

    ``zone`` is the account's. ``records`` are all those of the file: what only the whole of a
    column can tell is then looked for in them, in one pass.
    Raises BadFileError where the dates of a column contradict each other.
    """
    found = [
        Column(title, [raw.values.get(title, "") for raw in sample], place, zone)
        for place, title in enumerate(columns)
    ]
    parts = assigned(found)
    facts: list[Fact] = []
    questions: list[Question] = []
    if not any(part in parts for part in TIMES):
        said = "No column of dates and times was found: say which one tells when a call started."
        return Proposal(None, (Fact("columns", said),), ())
    whole = _whole(columns, parts)
    whole.read(sample if records is None else records)
    times = FoundTimes(parts, whole.orders, zone=zone, now=now)
    moments: dict[str, Any] = dict(times.moments(facts, questions))
    status, asked = status_told(parts, whole)
    questions += asked
    usage_type, asked = usage_type_told(parts, whole)
    questions += asked
    profile = Profile(
        label="",
        call_id=_identity(parts, facts),
        usage_type=usage_type,
        status=status,
        **moments,
        **_amounts(parts),
        agent=_titles(parts, "agent"),
        from_number=_titles(parts, "from"),
        to_number=_titles(parts, "to"),
        customer=() if "from" in parts and "to" in parts else _titles(parts, "other_party"),
        remarks=_titles(parts, "remarks"),
        carrier_id=_titles(parts, "carrier_id"),
        group=_group(parts),
        ignore=_ignored(found, parts),
    )
    rows = Rows(found)
    profile, asked = with_units(profile, parts, rows, zone=zone, now=now)
    questions += asked
    profile = with_talk(profile, rows, facts, zone=zone, now=now)
    profile = with_precision(profile, whole)
    profile = with_legs(profile, found, parts, rows, facts, zone=zone, now=now)
    share = agreement(profile, rows, zone=zone, now=now)
    if share is not None:
        said = f"{share:.0%} of the durations agree with the times of their calls within a second."
        facts.append(Fact("durations", said.replace("%", " %")))
    return Proposal(profile, tuple(facts), tuple(questions))


def _whole(columns: Sequence[str], parts: Parts) -> WholeColumns:
    dates = [
        own[0].title
        for part in (*TIMES, "revised_at")
        for own in ([parts[part]] if part in parts else [])
        if len(forms_of(own)) > 1
    ]
    words = [column.title for part in ("status", "usage_type") for column in parts.get(part, ())]
    times = [parts[part][-1].title for part in TIMES if part in parts]
    return WholeColumns(columns, dates=dates, words=words, times=times)


def _amounts(parts: Parts) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for part in LENGTHS:
        for column in parts.get(part, ()):
            named = column.name.unit if column.name.unit in column.units else ""
            told[part] = Amount(column.title, named or column.units[0], column.decimal)
    return told


def _identity(parts: Parts, facts: list[Fact]) -> Identity:
    if "call_id" in parts:
        (column,) = parts["call_id"]
        if not column.is_unique and "group" not in parts:
            said = (
                f"Some lines have the same ID in “{storable(column.title[:40])}”: they are taken "
                "for one call each, of which the last line counts."
            )
            facts.append(Fact("call_id", said))
        return Identity((column.title,))
    named = [
        column.title
        for part in ("started_at", "connected_at", "from", "to", "other_party", "agent")
        for column in parts.get(part, ())
    ]
    titles = tuple(dict.fromkeys(named))
    has_number = any(part in parts for part in ("from", "to", "other_party"))
    columns = titles if has_number else ()
    how = ", ".join(f"“{title}”" for title in columns) or "the whole row"
    facts.append(Fact("call_id", f"No column has an ID for each call, so one is made of {how}."))
    return Identity(columns)


def _group(parts: Parts) -> str:
    return parts["group"][0].title if "group" in parts and "call_id" in parts else ""


def _titles(parts: Parts, part: str) -> tuple[str, ...]:
    return tuple(column.title for column in parts.get(part, ()))


def _ignored(columns: Sequence[Column], parts: Parts) -> tuple[str, ...]:
    """What is dropped before anything is stored: transcripts, addresses of recordings."""
    used = {column.title for own in parts.values() for column in own}
    return tuple(
        column.title
        for column in columns
        if column.title not in used
        and (
            DROPPED.search(column.name.words)
            or any(len(text) > LONG_TEXT for text in column.values)
        )
    )
