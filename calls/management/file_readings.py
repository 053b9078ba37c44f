"""How a command reads a file: as its arguments say, and what they leave open as the file shows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from django.core.management.base import CommandError

from billing.models import Account
from billing.refusals import Refusal
from calls.imports.finding import Found, find_out
from calls.imports.readings import MAPPED, Reading, source_of
from calls.management.mapping_arguments import mapping_of, names_a_mapping
from calls.management.source_arguments import REFUSED, chosen_options, reads_dates
from calls.notations import BadFileError
from calls.notations.layout import Fact
from calls.sources import Source
from calls.sources.registry import DEFAULT, SOURCES

# How a question about a file is answered in the command.
ARGUMENTS = {"dates": "--dates dmy or --dates mdy", "zone": "--zone NAME"}

# What is said of a file without being asked for: it may have been found out wrongly.
SAID = ("zone", "dates", "encoding", "sheet")


class ReadableFile(NamedTuple):
    """A file that can be read: plain bytes, how, and what was found out about it."""

    file: BinaryIO
    reading: Reading
    facts: tuple[Fact, ...]

    @property
    def facts_to_say(self) -> list[str]:
        """What whoever imports it should know."""
        if self.reading.format == DEFAULT:
            return [fact.said for fact in self.facts if fact.topic == "encoding"]
        return [fact.said for fact in self.facts if fact.topic in SAID]

    def source(self, *, account: Account, now: datetime) -> Source[Any]:
        """The source that reads it. Raises CommandError."""
        try:
            return source_of(reading=self.reading, account=account, now=now)
        except Refusal as refusal:
            named = f"{refusal.field}: " if refusal.field else ""
            raise CommandError(f"{named}{refusal.message}", returncode=REFUSED) from None


def readable(
    *,
    file: BinaryIO,
    name: str,
    options: Mapping[str, Any],
    account: Account,
    now: datetime,
) -> ReadableFile:
    """Find out how ``file`` is read, by the arguments of the command and by itself.

    Raises BadFileError where it can't be read, CommandError where the arguments do not fit it.
    """
    found = find_out(account=account, name=name, file=file, now=now)
    reading = found.reading
    named = options["format"] or reading.format
    if names_a_mapping(options) or (options["dates"] and not _takes_dates(named)):
        profile = mapping_of(options, account=account, proposed=reading.profile)
        reading = replace(reading, format=MAPPED, options={}, profile=profile)
    elif options["format"]:
        given = chosen_options(options, options["format"])
        reading = Reading(options["format"], options=given, layout=reading.layout)
    else:
        _require_known(found, options)
        given = chosen_options(options, reading.format)
        reading = replace(reading, options={**reading.options, **given})
    zone = options["time_zone"] or reading.zone
    reading = replace(reading, zone=zone, revise=options["revise"])
    plain = found.unpacked or file
    return ReadableFile(plain, reading, found.facts)


def _takes_dates(name: str) -> bool:
    return name in SOURCES and reads_dates(name)


def _require_known(found: Found, options: Mapping[str, Any]) -> None:
    """Raise BadFileError where nobody said which column is what, and nothing is sure."""
    answered = {
        topic for topic, name in (("zone", "time_zone"), ("dates", "dates")) if options[name]
    }
    for question in found.questions:
        if question.topic in answered:
            continue
        how = ARGUMENTS.get(question.topic)
        if how is not None:
            raise BadFileError(f"{question.said} Say it with {how}.")
    if not found.is_known and not options["dry_run"]:
        raise BadFileError(
            "This is no format that is known. --dry-run shows how it would be read; --profile or "
            "--map says which column is what."
        )


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
