"""A profile for a file that nobody knows: proposed from the names of its columns and their values.

What the file proves is said, with the proof. What it leaves open is asked, with an example spelt
out; nothing is guessed for a single row. A person may change everything afterwards.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from billing.plans.rating import UsageType
from calls.models import Status
from calls.notations.layout import Fact
from calls.sources.mapped.agreeing import Rows, agreement
from calls.sources.mapped.answers import Question, words_asked
from calls.sources.mapped.assigning import LENGTHS, LONG_TEXT, TIMES, Parts, Sample, assigned
from calls.sources.mapped.columns import Column, has_seconds
from calls.sources.mapped.found_times import FoundTimes
from calls.sources.mapped.naming import DROPPED, IS_INVERTED
from calls.sources.mapped.profile import Amount, Choice, Identity, Profile
from calls.sources.mapped.vocabulary import INVERTED, status_meant, usage_meant

ROWS_FOR_PRECISION: Final = 3
AGREE_MIN: Final = 0.5


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
    opened_at: datetime,
) -> Proposal:
    """Propose a profile for a file with ``columns``, from its first records.

    ``zone`` is the account's; the account was opened at ``opened_at``. Raises BadFileError where
    the dates of a column contradict each other.
    """
    found = [
        Column(title, [raw.values.get(title, "") for raw in sample], place)
        for place, title in enumerate(columns)
    ]
    parts = assigned(found)
    facts: list[Fact] = []
    questions: list[Question] = []
    if not any(part in parts for part in TIMES):
        said = "No column of dates and times was found: say which one tells when a call started."
        return Proposal(None, (Fact("columns", said),), ())
    times = FoundTimes(parts, sample, zone=zone, now=now, opened_at=opened_at)
    moments: dict[str, Any] = dict(times.moments(facts, questions))
    status, asked = _status(parts)
    questions += asked
    usage_type, asked = _usage_type(parts)
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
        group=_group(parts),
        ignore=_ignored(found, parts),
    )
    rows = Rows(found)
    profile = _with_units(profile, parts, rows, zone, now)
    profile = _with_precision(profile, parts)
    share = agreement(profile, rows, zone=zone, now=now)
    if share is not None:
        said = f"{share:.0%} of the durations agree with the times of their calls within a second."
        facts.append(Fact("durations", said.replace("%", " %")))
    return Proposal(profile, tuple(facts), tuple(questions))


def _with_precision(profile: Profile, parts: Parts) -> Profile:
    """Let lengths decide where no time has seconds."""
    texts = [text for part in TIMES for text in (parts[part][-1].values if part in parts else ())]
    has_lengths = any(part in parts for part in ("talk", "total"))
    in_digits = profile.started_at is None or not profile.started_at.form.startswith("epoch")
    if not has_lengths or not in_digits or len(texts) < ROWS_FOR_PRECISION:
        return profile
    if any(map(has_seconds, texts)):
        return profile
    cut: dict[str, Any] = {
        part: replace(moment, precision="minute")
        for part in TIMES
        if (moment := getattr(profile, part)) is not None
    }
    return replace(profile, **cut)


# ── Lengths ───────────────────────────────────────────────────────────────────────────────────
def _amounts(parts: Parts) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for part in LENGTHS:
        for column in parts.get(part, ()):
            named = column.name.unit if column.name.unit in column.units else ""
            told[part] = Amount(column.title, named or column.units[0], column.decimal)
    return told


def _with_units(
    profile: Profile, parts: Parts, rows: Rows, zone: ZoneInfo, now: datetime
) -> Profile:
    """Take the unit in which lengths agree with the times, where both are told."""
    for part in ("talk", "total"):
        amount: Amount | None = getattr(profile, part)
        if amount is None or parts[part][0].name.unit in parts[part][0].units:
            continue
        best, most = profile, agreement(profile, rows, zone=zone, now=now) or 0.0
        for unit in parts[part][0].units[1:]:
            changed: dict[str, Any] = {part: replace(amount, unit=unit)}
            other = replace(profile, **changed)
            share = agreement(other, rows, zone=zone, now=now) or 0.0
            if share > max(most, AGREE_MIN):
                best, most = other, share
        profile = best
    return profile


# ── Words ─────────────────────────────────────────────────────────────────────────────────────
def _status(parts: Parts) -> tuple[Choice, list[Question]]:
    if "status" not in parts:
        if "connected_at" in parts and not parts["connected_at"][-1].is_full:
            return Choice(by="connected_at", otherwise=Status.NO_ANSWER.value), []
        if "talk" in parts:
            return Choice(by="talk", otherwise=Status.NO_ANSWER.value), []
        return Choice(otherwise=Status.COMPLETED.value), []
    column = parts["status"][0]
    is_inverted = column.name.words in IS_INVERTED
    words: dict[str, list[str]] = {}
    unknown = []
    for text in column.distinct:
        meant = status_meant(text)
        if meant is None:
            unknown.append(text)
            continue
        if is_inverted:
            meant = INVERTED.get(meant, meant)
        words.setdefault(meant.value, []).append(text)
    by = "talk" if "talk" in parts else ""
    empty = not column.is_full
    otherwise = Status.NO_ANSWER.value if empty and by else ""
    choice = Choice(
        columns=(column.title,),
        words=tuple((ours, tuple(theirs)) for ours, theirs in words.items()),
        otherwise="" if unknown else otherwise,
        by="",
    )
    return choice, words_asked("status", column.title, unknown)


def _usage_type(parts: Parts) -> tuple[Choice, list[Question]]:
    if "usage_type" not in parts:
        question = Question(
            "usage_type",
            "Nothing in the file tells who called whom. What are these calls?",
            (
                (UsageType.INBOUND.value, "Received (inbound): charged from their start"),
                (UsageType.OUTBOUND.value, "Made (outbound): charged from when they are answered"),
            ),
        )
        return Choice(otherwise=UsageType.OUTBOUND.value), [question]
    column = parts["usage_type"][0]
    words: dict[str, list[str]] = {}
    unknown = []
    for text in column.distinct:
        meant = usage_meant(text)
        if meant is None:
            unknown.append(text)
        else:
            words.setdefault(meant.value, []).append(text)
    choice = Choice(
        columns=(column.title,),
        words=tuple((ours, tuple(theirs)) for ours, theirs in words.items()),
    )
    return choice, words_asked("usage_type", column.title, unknown)


# ── What calls are called ─────────────────────────────────────────────────────────────────────
def _identity(parts: Parts, facts: list[Fact]) -> Identity:
    if "call_id" in parts:
        return Identity((parts["call_id"][0].title,))
    named = [
        column.title
        for part in ("started_at", "connected_at", "from", "to", "other_party", "agent")
        for column in parts.get(part, ())
    ]
    titles = tuple(dict.fromkeys(named))
    has_number = any(part in parts for part in ("from", "to", "other_party"))
    columns = titles if has_number else ()
    how = ", ".join(f"“{title}”" for title in columns) or "the whole row"
    facts.append(
        Fact("call_id", f"No column has an ID for each call, so one is made of {how}.")
    )
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
