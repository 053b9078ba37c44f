"""Whether lines with the same ID are parts of one call: told by what stands on them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from zoneinfo import ZoneInfo

from billing.texts import storable
from calls.legs import GAP_MAX
from calls.notations.layout import Fact
from calls.records import CallRecord
from calls.sources.mapped.agreeing import Rows, records
from calls.sources.mapped.assigning import Parts, repeated_id
from calls.sources.mapped.columns import FITTING_MIN, Column
from calls.sources.mapped.profile import Identity, Profile

# Whole seconds that were cut at the end of one part and the start of the next.
OVERLAP_MAX = timedelta(seconds=1)


def with_legs(
    profile: Profile,
    columns: Sequence[Column],
    parts: Parts,
    rows: Rows,
    facts: list[Fact],
    *,
    zone: ZoneInfo,
    now: datetime,
) -> Profile:
    """``profile`` with the column whose repeated IDs join parts of calls, if there is one.

    Where the column that might be the ID repeats for another reason, ``facts`` say so.
    """
    column = None if profile.group else repeated_id(columns, parts)
    if column is None:
        return profile
    told = records(profile, rows, zone=zone, now=now)
    by_id: dict[str, list[CallRecord]] = defaultdict(list)
    for text, record in zip(column.texts, told, strict=True):
        if record is not None and text.strip():
            by_id[text].append(record)
    several = [own for own in by_id.values() if len(own) > 1]
    name = f"“{storable(column.title[:40])}”"
    if several and sum(map(_are_legs, several)) >= FITTING_MIN * len(several):
        said = (
            f"Lines that share a {name} have the same number and follow on directly, so they are "
            "read as parts of one call."
        )
        facts[:] = [fact for fact in facts if fact.topic != "call_id"]
        facts.append(Fact("call_id", said))
        return replace(profile, call_id=Identity((column.title,)), group=column.title)
    if "call_id" not in parts:
        said = (
            f"{name} is not used as the ID: lines that share one do not look like parts of one "
            "call, which would have the same number and follow on directly."
        )
        facts.append(Fact("call_id", said))
    return profile


def _are_legs(own: Sequence[CallRecord]) -> bool:
    """Whether each follows the one before it at once, and has a number of it."""
    in_order = sorted(own, key=attrgetter("started_at"))
    return all(_follows(first, second) for first, second in pairwise(in_order))


def _follows(first: CallRecord, second: CallRecord) -> bool:
    gap = second.started_at - (first.ended_at or first.started_at)
    numbers = [{one.from_number, one.to_number} - {""} for one in (first, second)]
    shares_number = not all(numbers) or bool(set.intersection(*numbers))
    return first.started_at < second.started_at and -OVERLAP_MAX <= gap <= GAP_MAX and shares_number
