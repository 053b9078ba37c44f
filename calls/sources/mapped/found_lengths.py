"""The lengths of calls in an unknown file: in which unit, and from when to when.

Both are held against the times, where these are told: the unit in which they agree is the right
one. Where nothing tells the unit, it is asked.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from statistics import median
from typing import Any, Final
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.notations.layout import Fact
from calls.sources.mapped.agreeing import Rows, agreement, statuses
from calls.sources.mapped.answers import Question
from calls.sources.mapped.assigning import Parts
from calls.sources.mapped.columns import Column
from calls.sources.mapped.profile import Amount, Profile

AGREE_MIN: Final = 0.5
SHORT_MAX: Final = 30  # such a middle of numbers with decimals may be minutes as well as seconds


def with_units(
    profile: Profile, parts: Parts, rows: Rows, *, zone: ZoneInfo, now: datetime
) -> tuple[Profile, list[Question]]:
    """Take the unit in which lengths agree with the times; ask where nothing tells it.

    ``parts`` has the column of each length whose unit is open.
    """
    questions = []
    for part in ("talk", "total"):
        amount: Amount | None = getattr(profile, part)
        if amount is None or part not in parts:
            continue
        (column,) = parts[part]
        if column.name.unit in column.units:
            continue
        share = agreement(profile, rows, zone=zone, now=now)
        best, most = profile, share or 0.0
        for unit in column.units[1:]:
            changed: dict[str, Any] = {part: replace(amount, unit=unit)}
            other = replace(profile, **changed)
            own = agreement(other, rows, zone=zone, now=now) or 0.0
            if own > max(most, AGREE_MIN):
                best, most = other, own
        profile = best
        if share is None and _may_be_minutes(column):
            questions.append(_asked(part, column))
    return profile, questions


def with_columns_units(
    profile: Profile,
    columns: Sequence[Column],
    open_lengths: Collection[str],
    *,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[Profile, list[Question]]:
    """Find the units of lengths that somebody named a column for, but no unit.

    ``open_lengths`` are those of "talk", "total" and "waiting". A column that the file has not, or
    that holds no lengths, is left as it is: whoever reads by the profile says so.
    """
    by_title = {column.title: column for column in columns}
    parts: dict[str, tuple[Column, ...]] = {}
    for part in open_lengths:
        amount: Amount | None = getattr(profile, part)
        column = by_title.get(amount.column) if amount else None
        if column is None or not column.units:
            continue
        named = column.name.unit if column.name.unit in column.units else ""
        changed: dict[str, Any] = {
            part: Amount(column.title, named or column.units[0], column.decimal)
        }
        profile = replace(profile, **changed)
        parts[part] = (column,)
    return with_units(profile, parts, Rows(columns), zone=zone, now=now)


def with_talk(
    profile: Profile, rows: Rows, facts: list[Fact], *, zone: ZoneInfo, now: datetime
) -> Profile:
    """Take a duration for talk time where it is shorter than the calls: then it is without ringing.

    Not where that would make calls answered that a reason says were not.
    """
    if profile.total is None or profile.talk is not None or profile.ended_at is None:
        return profile
    share = agreement(profile, rows, zone=zone, now=now)
    if share is None or share >= AGREE_MIN:
        return profile
    status = replace(
        profile.status, by="talk" if profile.status.by == "total" else profile.status.by
    )
    other = replace(profile, total=None, talk=profile.total, status=status)
    own = agreement(other, rows, zone=zone, now=now)
    is_shorter = own is None or own > share
    if not is_shorter or statuses(other, rows, zone=zone, now=now) != statuses(
        profile, rows, zone=zone, now=now
    ):
        return profile
    said = f"“{storable(profile.total.column[:40])}” is shorter than the calls: without ringing."
    facts.append(Fact("durations", said))
    return other


def _may_be_minutes(column: Column) -> bool:
    """Whether the numbers are short and have decimals, as both minutes and seconds may."""
    numbers = [column.as_number(text) for text in column.values]
    told = [number for number in numbers if number]
    has_decimals = any(number % 1 for number in told)
    return (
        "min" in column.units
        and "s" in column.units
        and has_decimals
        and (median(told) < SHORT_MAX)
    )


def _asked(part: str, column: Column) -> Question:
    example = next((text for text in column.values if column.as_number(text) % 1), "")
    return Question(
        f"unit:{part}",
        f"What does “{storable(example[:20])}” in “{storable(column.title[:40])}” mean?",
        (("s", f"{example} seconds"), ("min", f"{example} minutes")),
    )
