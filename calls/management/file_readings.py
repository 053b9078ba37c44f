"""How a command reads a file: as its arguments say, and what they leave open as the file shows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from billing.models import Account
from billing.refusals import Refusal
from billing.texts import storable
from calls.imports.contradicting import records_of
from calls.imports.finding import Found, find_out, proven_against
from calls.imports.readings import MAPPED, Reading, source_of
from calls.management.mapping_arguments import (
    AMOUNTS,
    lengths_without_unit,
    mapped_choices,
    mapping_of,
    named_profile,
    names_a_mapping,
)
from calls.management.source_arguments import chosen_options, reads_dates
from calls.notations import BadFileError
from calls.notations.examining import plain_file
from calls.notations.layout import Examined, Fact
from calls.sources import Source
from calls.sources.canonical import CanonicalCsv
from calls.sources.mapped.answers import Question, in_zone
from calls.sources.mapped.columns import Column
from calls.sources.mapped.found_lengths import with_columns_units
from calls.sources.mapped.found_words import status_told, usage_type_told
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.whole_columns import WholeColumns
from calls.sources.registry import SOURCES

HOW_TO_MAP = (
    "Of another format, --dry-run shows how it would be read, and --profile or --map says which "
    "column is what."
)

HOW_TO_SAY = (
    "--profile takes a mapping that says what words mean. To make one, upload the file in the "
    "browser, say there which column is what, and keep or download the mapping."
)
WORDS_MAX = 5  # named in a refusal

HOW_TO_NAME = "--profile or --map says which column is what."

# How a question about a file is answered in the command.
ARGUMENTS = {
    "dates": "--dates dmy or --dates mdy",
    "zone": "--zone NAME",
    **{
        f"unit:{part}": f"--unit {part}=s (seconds) or --unit {part}=min (minutes)"
        for part in AMOUNTS
    },
}

# What is said of a file without being asked for: it may have been found out wrongly.
SAID = ("zone", "dates", "encoding", "sheet", "totals")

PROPOSED = (
    "This is no format that is known here, and is read as is proposed. To record it, --profile or "
    "--map has to say which column is what."
)


class ReadableFile(NamedTuple):
    """A file that can be read: plain bytes, how, and what was found out about it."""

    file: BinaryIO
    reading: Reading
    facts: tuple[Fact, ...]

    def facts_to_say(self, account: Account) -> list[str]:
        """What whoever imports it should know: the usual is not said."""
        is_usual = self.reading.zone in ("", account.time_zone)
        return [
            fact.said
            for fact in self.facts
            if fact.topic in SAID and not (fact.topic == "zone" and is_usual)
        ]

    def source(self, *, account: Account, now: datetime) -> Source[Any]:
        """The source that reads it. Raises BadFileError where the file can't be read so."""
        try:
            return source_of(reading=self.reading, account=account, now=now)
        except Refusal as refusal:
            named = f"{refusal.field}: " if refusal.field else ""
            raise BadFileError(f"{named}{refusal.message}") from None


def readable(
    *,
    file: BinaryIO,
    name: str,
    options: Mapping[str, Any],
    account: Account,
    now: datetime,
    proposes: bool,
) -> ReadableFile:
    """Find out how ``file`` is read, by the arguments of the command and by itself.

    A file of no known format is read as is proposed where the command ``proposes`` only.
    Raises BadFileError where it can't be read, CommandError where the arguments do not fit it.
    """
    file, told = _sheet_of(file, options["sheet"]) if options["sheet"] else (file, ())
    found = find_out(account=account, name=name, file=file, now=now)
    if options["encoding"]:
        named_so = replace(
            found.reading.layout, encoding=options["encoding"], encoding_is_guessed=False
        )
        if found.unpacked is not None:
            found.unpacked.close()
        file.seek(0)
        found = find_out(account=account, name=name, file=file, now=now, layout=named_so)
    reading = found.reading
    format_named = options["format"] or reading.format
    named = named_profile(options, account)
    if names_a_mapping(options) or (options["dates"] and not _takes_dates(format_named)):
        if named is None:  # which says itself how dates are written
            _require_answers(found, options)
        profile = mapping_of(options, reading.profile if named is None else named.profile)
        profile = _with_words(profile, found, found.unpacked or file, options)
        reading = replace(reading, format=MAPPED, options={}, profile=profile)
        reading = replace(reading, profile=_with_units(reading, found, options, account, now))
    elif options["format"] not in (None, reading.format):
        given = chosen_options(options, options["format"])
        reading = Reading(options["format"], options=given, layout=reading.layout)
    else:
        reading = _known(found, options, proposes=proposes)
        given = chosen_options(options, reading.format)
        reading = replace(reading, options={**reading.options, **given})
    zone = options["time_zone"] or (named.zone if named else "") or reading.zone
    reading = replace(reading, zone=zone, revise=options["revise"])
    plain = found.unpacked or file
    asked = found.questions
    if named is not None:
        asked = _asked_against(reading, plain, name, options, account, now)
    if options["time_zone"] and any(question.topic == "zone" for question in asked):
        reading = _in_zone(reading, zone)
    # What an argument says goes before what was found out.
    said = {topic for topic, name in (("zone", "time_zone"), ("dates", "dates")) if options[name]}
    facts = [fact for fact in (*told, *found.facts) if fact.topic not in said]
    if not found.is_known and not names_a_mapping(options):  # only a dry run gets here
        facts.append(Fact("mapping", PROPOSED))
        facts += [Fact("mapping", f"Open: {_asked(question)}") for question in found.questions]
    return ReadableFile(plain, reading, tuple(facts))


def _sheet_of(file: BinaryIO, name: str) -> tuple[BinaryIO, tuple[Fact, ...]]:
    """The sheet ``name`` of an Excel file as CSV, with what is to be said of it.

    Raises BadFileError.
    """
    plain = plain_file(file, sheet=name)
    if not plain.sheets:
        if plain.file is not file:
            plain.file.close()
        raise BadFileError("--sheet goes with an Excel file (.xlsx), and this is none.")
    return plain.file, plain.facts


def _takes_dates(name: str) -> bool:
    return name in SOURCES and reads_dates(name)


def _asked(question: Question) -> str:
    """A question with how it is answered, where an argument does so."""
    how = ARGUMENTS.get(question.topic)
    return question.said if how is None else f"{question.said} Say it with {how}."


def _with_units(
    reading: Reading, found: Found, options: Mapping[str, Any], account: Account, now: datetime
) -> Mapping[str, Any] | None:
    """The profile of ``reading`` with the units that the file shows, where nobody said them.

    Raises BadFileError where numbers may be seconds as well as minutes.
    """
    told = reading.profile
    if found.is_known and not options["map"]:
        return told  # a profile that says all units
    try:
        profile = Profile.from_json(told)
    except Refusal:
        return told  # whoever reads by it says why
    columns = [
        Column(title, [raw.values.get(title, "") for raw in found.sample], place)
        for place, title in enumerate(reading.layout.columns)
    ]
    zone = ZoneInfo(options["time_zone"] or reading.zone or account.time_zone)
    profile, questions = with_columns_units(
        profile, columns, lengths_without_unit(options), zone=zone, now=now
    )
    for question in questions:
        raise BadFileError(_asked(question))
    return profile.as_json()


def _with_words(
    profile: dict[str, Any], found: Found, file: BinaryIO, options: Mapping[str, Any]
) -> dict[str, Any]:
    """``profile`` with what is known of the words in columns that ``--map`` named.

    A profile that was named says itself what words mean, if it says so at all. Of a word that is
    not known, the record is rejected. Raises BadFileError where nothing is known of any of them.
    """
    layout = found.reading.layout
    for field in mapped_choices(options):
        told = profile.get(field, {})
        if "column" not in told or (options["profile"] and len(told) > 1):
            continue
        written = {name.casefold(): name for name in reversed(layout.columns)}
        title = written.get(told["column"].strip().casefold())
        if title is None:
            raise BadFileError(f"The file has no column “{storable(told['column'][:40])}”.")
        whole = WholeColumns(layout.columns, dates=(), words=[title], times=())
        whole.read(records_of(Examined(file, layout, (), found.sample)))
        find = status_told if field == "status" else usage_type_told
        choice, _ = find({field: (Column(title, ()),)}, whole)
        by = told.get("by", "")
        if not choice.words and not by:
            words = ", ".join(f"“{storable(word[:40])}”" for word in whole.words(title)[:WORDS_MAX])
            raise BadFileError(
                f"Nothing is known of the words in “{storable(title[:40])}”: {words}. {HOW_TO_SAY}"
            )
        profile = {**profile, field: replace(choice, by=by).as_json()}
    return profile


def _require_answers(found: Found, options: Mapping[str, Any]) -> None:
    """Raise BadFileError where the file leaves open what its times mean, and nobody says it."""
    answered = {
        topic for topic, name in (("zone", "time_zone"), ("dates", "dates")) if options[name]
    }
    for question in found.questions:
        if question.topic in ("dates", "zone") and question.topic not in answered:
            raise BadFileError(_asked(question))


def _asked_against(
    reading: Reading,
    file: BinaryIO,
    name: str,
    options: Mapping[str, Any],
    account: Account,
    now: datetime,
) -> tuple[Question, ...]:
    """What the file proves against a profile that was named, where an argument answers it.

    Raises BadFileError where none does.
    """
    try:
        asked = proven_against(reading=reading, account=account, name=name, file=file, now=now)
    except Refusal:
        return ()  # whoever reads by it says why
    for question in asked:
        if not options["dates" if question.topic == "dates" else "time_zone"]:
            raise BadFileError(_asked(question))
    return tuple(asked)


def _in_zone(reading: Reading, zone: str) -> Reading:
    """``reading`` with its times in the zone that was named against what its profile says."""
    if reading.profile is None:
        return reading
    return replace(reading, profile=in_zone(Profile.from_json(reading.profile), zone).as_json())


def _known(found: Found, options: Mapping[str, Any], *, proposes: bool) -> Reading:
    """Return the reading of a file that can be read without asking.

    Raises BadFileError where nobody said which column is what, or a question is open.
    """
    _require_answers(found, options)
    if not found.is_known and found.reading.profile is None:
        facts = [fact.said for fact in found.facts if fact.topic == "columns"]
        raise BadFileError(" ".join([_why_not_ours(found), *facts, HOW_TO_NAME]))
    if not found.is_known and not proposes:
        raise BadFileError(f"{_why_not_ours(found)} {HOW_TO_MAP}")
    return found.reading


def _why_not_ours(found: Found) -> str:
    """Why a file that is of no known format is not our CSV: most likely it was meant to be."""
    ours = CanonicalCsv(account_id=0, zone=ZoneInfo("UTC"), now=datetime.min.replace(tzinfo=UTC))
    try:
        ours.takes_as_header(found.reading.layout.columns)
    except BadFileError as error:
        return str(error)
    return "This is no format that is known."


def likely_format(*, file: BinaryIO, name: str, account: Account, named: str, now: datetime) -> str:
    """Which format a file seems to have that could not be read as the ``named`` one; a sentence."""
    file.seek(0)
    try:
        likely = find_out(account=account, name=name, file=file, now=now).reading.format
    except BadFileError:
        return ""
    if likely == named or likely not in SOURCES:
        return ""
    return f" It looks like --format {likely} ({SOURCES[likely].label})."
