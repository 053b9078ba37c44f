"""What ``import_calls`` does with each file that it is given, and what it says of it."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.template.defaultfilters import pluralize

from billing.models import Account
from calls.imports import command_imports, words
from calls.imports.importing import import_calls, try_file
from calls.imports.rejects import RejectsWriter, header_of
from calls.imports.summaries import Summary
from calls.management.file_readings import ReadableFile, likely_format, readable
from calls.management.folders import REJECTS_SUFFIX, named_files
from calls.management.opened_files import (
    STANDARD_INPUT,
    opened,
    size_of,
)
from calls.management.progress import ProgressBar
from calls.management.rejects import RejectsError, RejectsFile
from calls.management.source_arguments import REFUSED
from calls.notations import BadFileError
from calls.records import LAST_WORD
from calls.sources import Source

INCOMPLETE = 1  # exit code: some lines were not recorded
INTERRUPTED = 130  # exit code of a program that Ctrl-C ended
STANDARD_INPUT_REJECTS = "standard-input.rejects.csv"


class NoCallRecordsError(Exception):
    """The file is none of call records, or nobody can tell: the message says why."""


class FileRuns:
    """Imports files, or tries them, one after the other. One that is no such file stops none."""

    def __init__(
        self, *, command: BaseCommand, account: Account, options: Mapping[str, Any], now: datetime
    ) -> None:
        self.command = command
        self.account = account
        self.options = options
        self.now = now

    def run(self, files: list[str]) -> None:
        """Take all files and folders. Raises CommandError; exits with 1 where lines are missing."""
        paths, passed_over = named_files(files)
        for folder in passed_over:
            self.warn(f"{folder}: passed over, a folder. Name it to import its files.")
        if len(paths) == 1 and paths[0] == files[0]:
            run = FileRun(self, paths[0])
            try:
                run.take()
            except NoCallRecordsError as error:
                raise CommandError(f"{run.name}: {error}", returncode=REFUSED) from error
            incomplete = bool(run.summary.rejected) and not self.options["dry_run"]
        else:
            incomplete = self._run_all(paths)
        if incomplete:
            sys.exit(INCOMPLETE)

    def _run_all(self, paths: list[str]) -> bool:
        if self.options["rejects"]:
            raise CommandError("--rejects goes with one file.", returncode=REFUSED)
        total, taken, missing = Summary(), 0, 0
        for path in paths:
            run = FileRun(self, path, prefix=f"{path}: ")
            try:
                run.take()
            except NoCallRecordsError as error:
                missing += 1
                self.warn(f"{path}: skipped. {error}")
                continue
            except BrokenFileError as error:
                missing += 1
                self.warn(str(error))
                if error.is_unread:
                    continue
            taken += 1
            total = total.plus(run.summary)
        if not taken:
            raise CommandError("None of these is a file of call records.", returncode=REFUSED)
        would = self.options["dry_run"]
        self.say(f"In total, {taken:,} file{pluralize(taken)}: {_counted(total, would=would)}")
        if missing:
            self.warn(f"Not taken as a whole: {missing:,} file{pluralize(missing)}, named above.")
        return bool(missing or (total.rejected and not would))

    def say(self, text: str) -> None:
        """Write a line of the outcome."""
        self.command.stdout.write(text)

    def warn(self, text: str) -> None:
        """Write a line that somebody should read."""
        self.command.stderr.write(self.command.style.WARNING(text))


class BrokenFileError(CommandError):
    """A file that could not be read to its end; where it ``is_unread``, not even to begin with."""

    is_unread = False


class FileRun:
    """One file: how it is read, what became of it, and where its rejected lines go."""

    def __init__(self, runs: FileRuns, path: str, *, prefix: str = "") -> None:
        self.runs = runs
        self.path = path
        self.options = runs.options
        self.summary = Summary()
        self.prefix = prefix
        self.name = "Standard input" if path == STANDARD_INPUT else path
        beside = STANDARD_INPUT_REJECTS if path == STANDARD_INPUT else f"{path}{REJECTS_SUFFIX}"
        self.rejects = RejectsFile(self.options["rejects"] or Path(beside))
        self.import_id: int | None = None
        self._may_be_revised = False

    def take(self) -> None:
        """Import the file, or try it.

        Raises NoCallRecordsError where it is none, BrokenFileError where it can't be read to its
        end, and CommandError with what is recorded where something else fails.
        """
        try:
            with opened(self.path) as file:
                if self.options["dry_run"]:
                    self._try(file)
                else:
                    self._import(file)
        except RejectsError as error:
            self._give_up(f"{error} --rejects PATH puts the rejected lines elsewhere.")
        except OSError as error:
            said = self._explained(f"{self.name}: {error.strerror}.")
            broken = BrokenFileError(said, returncode=self._ended())
            broken.is_unread = not self.summary.lines_done
            raise broken from error
        except (InterfaceError, OperationalError) as error:
            said = str(error).partition("\n")[0]
            self._give_up(f"The database failed: {said}.")
        except KeyboardInterrupt:
            self._give_up("Interrupted.", returncode=INTERRUPTED)

    def _try(self, file: BinaryIO) -> None:
        found, source = self._read(file)
        steps = try_file(
            file=found.file,
            source=source,
            now=self.runs.now,
            batch_size=self.options["batch_size"],
            revise=self.options["revise"],
        )
        try:
            for step in self._shown(steps, "Trying   ", size_of(found.file)):
                trial = step.trial
        except BadFileError as error:
            self._refuse(file, error)
        for fact in found.facts:
            self.runs.say(f"{self.prefix}{fact.said}")
        for sentence in words.trial_sentences(trial, zone=self.runs.account.zone):
            self.runs.say(f"{self.prefix}{sentence}")
        for sentence in words.reason_sentences(trial):
            self.runs.warn(f"{self.prefix}{sentence}")
        self._note_reasons(reason.reason for reason in trial.frequent_reasons)
        self._hint()
        self.summary = trial.summary

    def _import(self, file: BinaryIO) -> None:
        self._check_rejects(file)
        with ExitStack() as held:
            rejects = held.enter_context(self.rejects)
            found, source = self._read(file)
            rejects.begin(_writer(found))
            kept = held.enter_context(
                command_imports.kept(
                    account=self.runs.account,
                    file_name=os.path.basename(self.name),
                    size=size_of(found.file),
                    reading=found.reading,
                    waits=self._wait,
                )
            )
            steps = import_calls(
                file=found.file,
                source=source,
                now=self.runs.now,
                batch_size=self.options["batch_size"],
                revise=self.options["revise"],
                import_id=kept.pk,
                keep=kept.keep,
            )
            try:
                for step in self._shown(steps, "Recording", size_of(found.file)):
                    self.summary = step.summary
                    rejects.write(step.rejected)
                    self._note_reasons(one.reason for one in step.rejected)
            except BadFileError as error:
                kept.forget()
                self._refuse(file, error)
            kept.done()
            self.import_id = kept.pk
        for said in found.facts_to_say(self.runs.account):
            self.runs.warn(f"{self.prefix}{said}")
        self._print()
        if not self.summary.lines:
            self.runs.command.stderr.write(f"{self.name}: no records after the header.")

    def _read(self, file: BinaryIO) -> tuple[ReadableFile, Source[Any]]:
        account, now = self.runs.account, self.runs.now
        try:
            found = readable(
                file=file,
                name=self.name,
                options=self.options,
                account=account,
                now=now,
                # Of several files, what is counted is what the run would take.
                proposes=self.options["dry_run"] and not self.prefix,
            )
            return found, found.source(account=account, now=now)
        except BadFileError as error:
            raise NoCallRecordsError(str(error)) from error

    def _refuse(self, file: BinaryIO, error: BadFileError) -> NoReturn:
        """Say why the file can't be read, and as what it probably could be."""
        said = f"{self.name}: {error}"
        if self.options["format"] and file.seekable():
            said += likely_format(
                file=file,
                name=self.name,
                account=self.runs.account,
                named=self.options["format"],
                now=self.runs.now,
            )
        raise BrokenFileError(said, returncode=self._ended()) from error

    def _check_rejects(self, file: BinaryIO) -> None:
        path = self.rejects.path
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise CommandError(
                "--rejects must name another file than the input.", returncode=REFUSED
            )

    def _wait(self) -> None:
        """Say once that another import of the account comes first."""
        self.runs.warn("Another import into the account is under way; this one waits for it.")

    def _give_up(self, why: str, returncode: int | None = None) -> NoReturn:
        """End before the end of the file; say why, and what is recorded already."""
        raise CommandError(self._explained(why), returncode=returncode or self._ended())

    def _explained(self, why: str) -> str:
        if self.summary.lines and not self.options["dry_run"]:
            self._print()
            why += " What is counted is recorded; run it again to go on."
        return why

    def _ended(self) -> int:
        return INCOMPLETE if self.summary.lines_done else REFUSED

    def _shown(self, steps: Iterator[Any], label: str, size: int) -> Iterator[Any]:
        bar = ProgressBar()
        try:
            for step in steps:
                summary = step.summary
                if summary.lines_done:
                    bar.show(label, summary.lines_done, summary.lines)
                else:
                    bar.show("Reading  ", step.bytes_read, size)
                yield step
        finally:
            bar.clear()

    def _print(self) -> None:
        summary = self.summary
        self.runs.say(f"{self.prefix}{_counted(summary)}")
        for sentence in words.others(summary):
            self.runs.say(f"{self.prefix}{sentence}")
        for sentence in words.notes(summary):
            self.runs.warn(f"{self.prefix}{sentence}")
        if summary.has_many_corrections and not self.options["revise"]:
            self.runs.warn(
                f"{self.prefix}{summary.corrected:,} of {summary.lines:,} lines corrected calls "
                "that were known already. If they are other calls, their IDs were used before: "
                "give them other IDs or a prefix, and import the earlier file again with --revise."
            )
        self._hint()
        if self.rejects.lines:
            path = self.rejects.path.absolute()
            self.runs.warn(f"{self.prefix}Rejected lines, with reasons: {path}")
        if self.import_id is not None:
            self.runs.say(
                f"{self.prefix}This is import {self.import_id}; --withdraw {self.import_id} takes "
                "it back."
            )

    def _note_reasons(self, reasons: Iterable[str]) -> None:
        self._may_be_revised |= any(LAST_WORD in reason for reason in reasons)

    def _hint(self) -> None:
        """Say which argument does what the reasons name as a way out."""
        if self._may_be_revised:
            self.runs.warn(f"{self.prefix}With --revise a file is imported as {LAST_WORD}.")


def _counted(summary: Summary, *, would: bool = False) -> str:
    credits = f"{summary.credits:,} credit{pluralize(summary.credits)}"
    linked = f"link {summary.linked:,}, " if would else f"{summary.linked:,} linked, "
    linked = linked if summary.linked else ""
    if would:
        return (
            f"would create {summary.created:,}, leave {summary.unchanged:,} unchanged, correct "
            f"{summary.corrected:,}, {linked}reject {summary.rejected:,}; {credits} would be "
            "charged."
        )
    return (
        f"{summary.created:,} created, {summary.unchanged:,} unchanged, "
        f"{summary.corrected:,} corrected, {linked}{summary.rejected:,} rejected; "
        f"{credits} charged."
    )


def _writer(found: ReadableFile) -> RejectsWriter:
    layout = found.reading.layout
    found.file.seek(0)
    header = header_of(found.file, layout)
    found.file.seek(0)
    return RejectsWriter(layout, header)
