"""What a file of call records is: told by names and values, never by the number of columns alone.

First come the profiles that the account saved, then the sources and profiles that the product
knows; of several that fit, the one that asks for most. What fits none gets a proposed profile.
Everything found out is said in a sentence; what can't be, is asked. The sample tells what the file
is; what its columns mean is decided over all its records.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from calls.imports.contradicting import contradictions, records_of
from calls.imports.detecting_switches import Switch, asterisk_file, freeswitch_file
from calls.notations.layout import DELIMITED, Examined, Fact
from calls.notations.times import date_first
from calls.sources.canonical import CanonicalCsv, OwnExport, is_canonical, is_own_export
from calls.sources.mapped.answers import Question
from calls.sources.mapped.precision import may_be_cut, with_precision
from calls.sources.mapped.profile import Moment, Profile
from calls.sources.mapped.proposing import propose
from calls.sources.mapped.source import MappedSource, columns_of
from calls.sources.mapped.whole_columns import WholeColumns
from calls.sources.registry import shipped_profiles

MAPPED: Final = MappedSource.name
SHARE_MIN: Final = 0.9  # of the records that tell: some are damaged, or notes below a table
VALUE_WEIGHT: Final = 3  # a pattern that fits says more than a name

_OFFSET: Final = re.compile(r"(?:Z|UTC|GMT|[+-]\d\d:?\d\d)$|GMT[+-]\d", re.IGNORECASE)


class Detected(NamedTuple):
    """What a file is, and what has to be said to read it.

    ``format`` is the name of a source; "mapped" has a ``profile``. ``options`` are arguments of the
    source, ``zone`` is the name of the zone of times without an offset.
    """

    format: str
    options: dict[str, Any]
    profile: Profile | None
    zone: str
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...] = ()


def detect(
    examined: Examined,
    *,
    account_zone: ZoneInfo,
    now: datetime,
    saved: Iterable[Profile] = (),
) -> Detected:
    """Say what ``examined`` is. ``saved`` are the profiles of the account, the newest first.

    Raises BadFileError where the file contradicts itself, or holds no records but statements.
    """
    layout = examined.layout
    own = _best((profile.without_patterns() for profile in saved), examined)
    if own is not None:
        said = f"Your profile “{own.label or own.name}”"
        return _by_profile(own, examined, account_zone, said, now)
    if layout.notation == DELIMITED and layout.has_header:
        if is_own_export(layout.columns):
            return _simple(OwnExport.name, "our own export of calls and credits", account_zone)
        if is_canonical(layout.columns):
            return _simple(CanonicalCsv.name, "CSV with our own columns", account_zone)
    switch = asterisk_file(examined, account_zone=account_zone, now=now) or freeswitch_file(
        examined, account_zone=account_zone
    )
    if switch is not None:
        return _of_switch(switch)
    shipped = _best(shipped_profiles().values(), examined)
    if shipped is not None:
        return _by_profile(shipped, examined, account_zone, f"“{shipped.label}”", now)
    proposal = propose(
        layout.columns,
        examined.sample,
        zone=account_zone,
        now=now,
        records=records_of(examined),
    )
    unknown = Fact("format", "This is no format that is known here: say which column is what.")
    return Detected(
        format=MAPPED,
        options={},
        profile=proposal.profile,
        zone=account_zone.key,
        facts=(unknown, *proposal.facts),
        questions=tuple(proposal.questions),
    )


def _simple(name: str, said: str, zone: ZoneInfo) -> Detected:
    return Detected(name, {}, None, zone.key, (Fact("format", f"This looks like {said}."),))


def _of_switch(switch: Switch) -> Detected:
    return Detected(
        switch.format, switch.options, None, switch.zone, switch.facts, switch.questions
    )


def _by_profile(
    profile: Profile, examined: Examined, zone: ZoneInfo, said: str, now: datetime
) -> Detected:
    facts = [Fact("format", f"{said} fits this file.")]
    profile = _with_precision(profile, examined)
    if _needs_zone(profile, examined):
        facts.append(
            Fact("zone", f"Its times are taken to be on the wall clock of {zone.key}, your own.")
        )
    asked = contradictions(profile, examined, zone=zone, now=now)
    return Detected(MAPPED, {}, profile, zone.key, tuple(facts), tuple(asked))


def _with_precision(profile: Profile, examined: Examined) -> Profile:
    """Let lengths decide where all times of the file were cut to minutes."""
    if not may_be_cut(profile):
        return profile
    columns = columns_of(profile, examined.layout)
    moments = (profile.started_at, profile.connected_at, profile.ended_at)
    wanted = {_alike(moment.columns[-1]) for moment in moments if moment is not None}
    times = [name for name in columns if _alike(name) in wanted]
    whole = WholeColumns(columns, dates=(), words=(), times=times)
    for record in records_of(examined):
        whole.read([record])
        if whole.has_seconds:  # as nearly all files have, in their first records
            break
    return with_precision(profile, whole)


def _needs_zone(profile: Profile, examined: Examined) -> bool:
    """Whether the zone of the import decides what the times mean."""
    moments = [profile.started_at, profile.connected_at, profile.ended_at]
    return any(moment is not None and _is_local(moment, profile, examined) for moment in moments)


def _is_local(moment: Moment, profile: Profile, examined: Examined) -> bool:
    if moment.zone or moment.zone_column or moment.form.startswith(("epoch", "gregorian")):
        return False
    last = moment.columns[-1]
    told = [text for text in _values(profile, examined, last) if text]
    return any(_OFFSET.search(date_first(text)) is None for text in told)


# ── Profiles ──────────────────────────────────────────────────────────────────────────────────
def _best(profiles: Iterable[Profile], examined: Examined) -> Profile | None:
    """Return the profile that fits and asks for most; of several, the first."""
    best, most = None, 0
    for profile in profiles:
        score = _score(profile, examined)
        if score > most:
            best, most = profile, score
    return best


def _score(profile: Profile, examined: Examined) -> int:
    """How much ``profile`` asks for that the file has; 0 where it does not have all of it."""
    layout = examined.layout
    if profile.columns and (layout.has_header or layout.notation != DELIMITED):
        return 0
    if not profile.columns and not layout.has_header and layout.notation == DELIMITED:
        return 0
    names = {_alike(name) for name in columns_of(profile, layout)}
    asked = profile.recognise.columns or profile.needed_columns
    asked = () if profile.columns else asked
    if not names.issuperset(map(_alike, asked)):
        return 0
    if layout.notation == DELIMITED and not names.issuperset(
        map(_alike, profile.essential_columns)
    ):
        return 0
    for column, pattern in profile.recognise.values:
        if not _fit(pattern, _values(profile, examined, column)):
            return 0
    return len(asked) + VALUE_WEIGHT * len(profile.recognise.values)


def _fit(pattern: str, values: Sequence[str]) -> bool:
    told = [text for text in values if text]
    fitting = sum(re.fullmatch(pattern, text) is not None for text in told)
    return bool(told) and fitting >= SHARE_MIN * len(told)


def _values(profile: Profile, examined: Examined, column: str) -> list[str]:
    """The values of a column in the sample, by the name that the profile gives it."""
    given = map(_alike, columns_of(profile, examined.layout))
    written = dict(zip(given, examined.layout.columns, strict=True))
    name = written.get(_alike(column), column)
    return [raw.values.get(name, "").strip() for raw in examined.sample]


def _alike(name: str) -> str:
    return "".join(name.casefold().split())
