"""What people change about how a file is read: how it is cut, and what it leaves open.

`calls.imports.readings.choose` takes a whole reading; here is what has to find out anew first, or
answers what was asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.refusals import Refusal
from calls.imports import machine, parts
from calls.imports.finding import find_out, proven_against, questions_as_json
from calls.imports.open_questions import still_open
from calls.imports.readings import (
    MAPPED,
    Reading,
    choose,
    reading_of,
    require_file,
    require_not_begun,
)
from calls.models import FileImport, ImportState
from calls.notations import BadFileError
from calls.sources.mapped.answers import answered, in_zone
from calls.sources.mapped.profile import Profile

OUTDATED = ("format", "columns")  # by a mapping that somebody made
UNPACKING = ("compression", "sheet")
SAID_BY_HAND = ["format", "You said which column is what."]


def change(*, file_import: FileImport, reading: Reading, now: datetime) -> FileImport:
    """Read the file by ``reading`` from now on; where that cuts it another way, find out anew.

    What was chosen besides the layout stays, but for a mapping of columns that are not there any
    more. Raises Refusal where the file can't be read so.
    """
    begun = reading_of(file_import)
    if begun is not None and begun.layout == reading.layout:
        return _read_otherwise(file_import, begun, reading, now)
    require_file(file_import)
    try:
        with parts.opened(file_import) as file:
            found = find_out(
                account=file_import.account,
                name=file_import.file_name,
                file=file,
                now=now,
                layout=reading.layout,
            )
    except BadFileError as error:
        raise Refusal(str(error), field="layout") from None
    proposed = found.reading
    wanted = replace(reading, layout=proposed.layout)
    is_other = begun is not None and begun.format != reading.format
    if not is_other and (reading.format != proposed.format or proposed.profile is not None):
        wanted = replace(
            wanted,
            format=proposed.format,
            options=proposed.options,
            profile=proposed.profile,
        )
    # How it was unpacked stays as it was.
    told = file_import.examined
    facts = [fact for fact in told.get("facts", []) if fact[0] in UNPACKING]
    examined = found.as_json()
    examined |= {"facts": [*facts, *examined["facts"]], "sheets": sheets_of(file_import)}
    return _store(file_import, wanted, examined, now)


def sheets_of(file_import: FileImport) -> list[str]:
    """The sheets of a workbook that may be read, the one that is read first; else none."""
    return list(file_import.examined.get("sheets", []))


def choose_sheet(*, file_import: FileImport, sheet: str, now: datetime) -> FileImport:
    """Have another sheet of the workbook examined, as if it were the file. Raises Refusal."""
    sheets = sheets_of(file_import)
    if sheet not in sheets:
        raise Refusal("The file has no such sheet.", field="sheet")
    others = [name for name in sheets if name != sheet]
    with transaction.atomic():
        found = machine.lock(file_import)
        require_not_begun(found)
        return machine.move(
            found,
            ImportState.EXAMINING,
            now=now,
            examined={"sheet": sheet, "sheets": [sheet, *others]},
            reading={},
            trial={},
            is_unpacked=False,
            is_staged=False,
            staged_lines=0,
            bytes_read=0,
        )


def _read_otherwise(
    file_import: FileImport, begun: Reading, reading: Reading, now: datetime
) -> FileImport:
    """Read a file that is cut as before by another ``reading`` than that with which it ``begun``.

    Questions that this does not answer stay. What the file proves against another mapping is asked.
    """
    left = still_open(file_import.examined.get("questions", []), begun, reading)
    if reading.profile is not None and _made_by(reading) != _made_by(begun):
        left = _with_proven(left, file_import, reading, now)
    return _store(file_import, reading, {**file_import.examined, "questions": left}, now)


def _made_by(reading: Reading) -> tuple[str, object]:
    """What names the format that a file is read as."""
    return reading.format, (reading.profile or {}).get("name", "")


def map_columns(
    *,
    file_import: FileImport,
    profile: Profile,
    zone: str | None = None,
    is_of_other_file: bool = False,
    now: datetime,
) -> FileImport:
    """Read the file by ``profile`` from now on. Questions about what it does not change stay.

    Where it was made for another file, it answers all but that for the zone, and what this file
    proves against it is asked.
    Raises Refusal where the file can't be read so.
    """
    reading = reading_of(file_import)
    if reading is None:
        raise Refusal("The file is still being looked at. Try again in a minute.")
    begun = reading
    reading = replace(
        begun,
        format=MAPPED,
        options={},
        profile=profile.as_json(),
        zone=begun.zone if zone is None else zone,
    )
    asked = file_import.examined.get("questions", [])
    left = [question for question in asked if question[0] == "zone" and not zone]
    if is_of_other_file:
        left = _with_proven(left, file_import, reading, now)
    else:
        left = still_open(asked, begun, reading)
    # What was said of the format, and of columns that were not found, holds no longer.
    facts = [fact for fact in file_import.examined.get("facts", []) if fact[0] not in OUTDATED]
    examined = {**file_import.examined, "questions": left, "facts": [*facts, SAID_BY_HAND]}
    return _store(file_import, reading, examined, now)


def _with_proven(
    left: list[Any], file_import: FileImport, reading: Reading, now: datetime
) -> list[Any]:
    """The questions that are ``left``, and what the file proves against the profile."""
    require_file(file_import)
    try:
        with parts.opened(file_import) as file:
            asked = proven_against(
                reading=reading,
                account=file_import.account,
                name=file_import.file_name,
                file=file,
                now=now,
            )
    except BadFileError as error:
        raise Refusal(str(error), field="profile") from None
    anew = questions_as_json(asked)
    topics = {topic for topic, *_ in anew}
    return [*(question for question in left if question[0] not in topics), *anew]


def answer(*, file_import: FileImport, answers: Mapping[str, str], now: datetime) -> FileImport:
    """Answer what the file leaves open: for the topic of a question, one of its choices.

    Raises Refusal with the topic as its field where that is none of them.
    """
    reading = reading_of(file_import)
    asked = file_import.examined.get("questions", [])
    for topic, _, choices in asked:
        if topic in answers and answers[topic] not in {value for value, _ in choices}:
            raise Refusal("Choose one of the answers.", field=topic)
    if reading is None or not asked:
        raise Refusal("Nothing is asked any more. Reload the page.")
    for topic, _, _ in asked:
        if topic in answers:
            reading = _answered(reading, topic, answers[topic])
    left = [question for question in asked if question[0] not in answers]
    return _store(file_import, reading, {**file_import.examined, "questions": left}, now)


def _answered(reading: Reading, topic: str, value: str) -> Reading:
    """Return ``reading`` with the answer to one question.

    What a profile leaves open goes into the profile; anything else is an option of the source.
    """
    if topic == "zone" and reading.profile is None:
        return replace(reading, zone=value)
    if topic == "zone":
        profile = in_zone(Profile.from_json(reading.profile), value)
        return replace(reading, zone=value, profile=profile.as_json())
    if reading.profile is None:
        return replace(reading, options={**reading.options, topic: value})
    profile = answered(Profile.from_json(reading.profile), topic, value)
    return replace(reading, profile=profile.as_json())


def _store(
    file_import: FileImport, reading: Reading, examined: Mapping[str, Any], now: datetime
) -> FileImport:
    with transaction.atomic():
        found = choose(file_import=machine.lock(file_import), reading=reading, now=now)
        found.examined = dict(examined)
        found.save(update_fields=["examined"])
        return found
