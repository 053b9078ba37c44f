"""What a file is: examined, recognised, and with the reading that is proposed for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from billing.models import Account
from billing.texts import storable
from billing.zones import is_known
from calls.imports import profiles
from calls.imports.contradicting import contradictions
from calls.imports.detecting import detect
from calls.imports.readings import MAPPED, Reading
from calls.notations import RawRecord
from calls.notations.examining import examine
from calls.notations.layout import Examined, Fact, Layout
from calls.notations.rejected import PREFIX, without_rejected
from calls.sources.mapped.answers import Question
from calls.sources.mapped.profile import Profile


class Found(NamedTuple):
    """What was found out about a file.

    ``reading`` is how it is read unless somebody chooses otherwise; where it ``is_known``, the
    format or a profile that was made for it. ``unpacked`` is what was unpacked from it, where it
    was; else it is None.
    """

    reading: Reading
    is_known: bool
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]
    sample: tuple[RawRecord[Mapping[str, str]], ...]
    unpacked: BinaryIO | None

    def as_json(self) -> dict[str, Any]:
        """What is stored of it with the import."""
        return {
            "is_known": self.is_known,
            "facts": [[fact.topic, storable(fact.said)] for fact in self.facts],
            "questions": questions_as_json(self.questions),
        }


def questions_as_json(questions: Iterable[Question]) -> list[Any]:
    """Questions as they are stored with an import."""
    return [
        [
            storable(question.topic),
            storable(question.said),
            [list(map(storable, choice)) for choice in question.choices],
        ]
        for question in questions
    ]


def find_out(
    *,
    account: Account,
    name: str,
    file: BinaryIO,
    now: datetime,
    layout: Layout | None = None,
) -> Found:
    """Examine ``file``, and propose how it is read. With ``layout`` it is cut so.

    A mapping that the account saved for files with these columns comes before any other.
    Raises BadFileError where it can't be read.
    """
    examined = examine(file, name=name, layout=layout)
    unpacked = None if examined.file is file else examined.file
    examined = _without_rejected(examined)
    cut = examined.layout
    kept = profiles.profile_for(account=account, columns=cut.columns)
    if kept is not None:
        said = Fact("format", f"Your mapping “{kept.name}” fits this file.")
        reading = Reading(MAPPED, layout=cut, profile=kept.profile, zone=kept.zone)
        return Found(
            reading,
            is_known=True,
            facts=(*examined.facts, said),
            questions=tuple(_against(kept.profile, examined, kept.zone, account, now)),
            sample=examined.sample,
            unpacked=unpacked,
        )
    detected = detect(
        examined,
        account_zone=account.zone,
        now=now,
        saved=_saved(account),
    )
    profile = detected.profile
    reading = Reading(
        detected.format,
        options=detected.options,
        layout=cut,
        profile=None if profile is None else profile.as_json(),
        zone=detected.zone,
    )
    return Found(
        reading,
        is_known=reading.format != MAPPED or (profile is not None and bool(profile.name)),
        facts=(*examined.facts, *detected.facts),
        questions=tuple(detected.questions),
        sample=examined.sample,
        unpacked=unpacked,
    )


def proven_against(
    *, reading: Reading, account: Account, name: str, file: BinaryIO, now: datetime
) -> list[Question]:
    """Ask what ``file`` proves against the profile of ``reading``, made for another file.

    Raises BadFileError where the file can't be read, or contradicts itself.
    """
    examined = examine(file, name=name, layout=reading.layout)
    try:
        if reading.profile is None:
            return []
        examined = _without_rejected(examined)
        return _against(reading.profile, examined, reading.zone, account, now)
    finally:
        file.seek(0)
        if examined.file is not file:
            examined.file.close()


def _against(
    profile: Mapping[str, Any], examined: Examined, zone: str, account: Account, now: datetime
) -> list[Question]:
    read_in = ZoneInfo(zone) if is_known(zone) else account.zone
    return contradictions(Profile.from_json(profile), examined, zone=read_in, now=now)


def _saved(account: Account) -> list[Profile]:
    """The profiles of the account, the newest first, each with the name that it has there."""
    kept = sorted(profiles.profiles_of(account), key=lambda one: one.saved_at, reverse=True)
    return [replace(Profile.from_json(one.profile), name=one.name) for one in kept]


def _without_rejected(examined: Examined) -> Examined:
    """The file without the columns that one of rejected lines has at its end, and without columns
    at its end that have no name, as spreadsheets write them.
    """
    columns = list(map(storable, examined.layout.columns))
    if examined.layout.has_header:
        columns = without_rejected(columns)
        while len(columns) > 1 and columns[-1] == str(len(columns)):  # so a column without is named
            columns.pop()
    else:
        first = next(iter(examined.sample), None)
        values = first.values if first is not None else {}
        while columns and values.get(columns[-1], "").startswith(PREFIX):
            columns.pop()
    return examined._replace(layout=replace(examined.layout, columns=tuple(columns)))
