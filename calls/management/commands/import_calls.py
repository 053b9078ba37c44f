"""``manage.py import_calls``: record the calls in a file."""

import inspect
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from django.template.defaultfilters import pluralize
from django.utils import timezone

from billing.models import Account
from billing.plans.tariffs import NoTariffError, agreement_at
from billing.zones import place_names
from calls.imports.importing import BATCH_SIZE, Progress, import_calls
from calls.imports.summaries import Summary
from calls.management.progress import ProgressBar
from calls.management.rejects import RejectsError, RejectsFile
from calls.management.source_arguments import (
    REFUSED,
    add_source_arguments,
    chosen_source,
    did_you_mean,
)
from calls.notations import BadFileError
from calls.sources import Source
from calls.sources.registry import SOURCES

INCOMPLETE = 1  # exit code: some lines were not recorded
INTERRUPTED = 130  # exit code of a program that Ctrl-C ended
STANDARD_INPUT = "-"
STANDARD_INPUT_REJECTS = "standard-input.rejects.csv"


def _documentation(source: type[Source[Any]]) -> str:
    return inspect.getdoc(inspect.getmodule(source)) or source.label


class Command(BaseCommand):
    """Import a file of call records for one account.

    Exit code 0: every line went in, also where there are none after the header: a day may have no
    calls. 1: not every line went in, see the rejects file and the last line. 2: nothing was
    recorded, because of the file, the arguments or the account. 130: interrupted. Run it again to
    go on.
    """

    help = "\n\n".join(
        [
            inspect.cleandoc(__doc__),
            *(f"The format {name}: {_documentation(one)}" for name, one in SOURCES.items()),
        ]
    )
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the line breaks of the help, which describes the file format."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One file, one account, and how to read it."""
        parser.add_argument("file", help="Its path; - reads standard input.")
        parser.add_argument("--account", required=True, metavar="SLUG")
        add_source_arguments(parser)
        parser.add_argument(
            "--time-zone",
            metavar="NAME",
            help="Zone of times without an offset, such as Asia/Kolkata (the account's).",
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="PATH",
            help=f"Where rejected lines go (FILE.rejects.csv; of -: {STANDARD_INPUT_REJECTS}).",
        )
        parser.add_argument(
            "--revise",
            action="store_true",
            help="The file is the last word about its calls: it may move them to any other time, "
            "as after an import in a wrong time zone, and replaces newer revisions. Of a call told "
            "in parts it must have all.",
        )
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="CALLS")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and say what happened."""
        self._summary = Summary()
        self._name = options["file"]
        self._revises = options["revise"]
        beside = Path(f"{self._name}.rejects.csv")
        if self._name == STANDARD_INPUT:
            self._name, beside = "Standard input", Path(STANDARD_INPUT_REJECTS)
        self._rejects = RejectsFile(options["rejects"] or beside)
        now = timezone.now()
        account = _account(options["account"])
        source = _source(account, options, now)
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.", returncode=REFUSED)
        _require_plan(account, now)
        try:
            with _input(options["file"]) as file, self._opened(file) as rejects:
                steps = import_calls(
                    file=file,
                    source=source,
                    now=now,
                    batch_size=options["batch_size"],
                    revise=options["revise"],
                )
                for step in self._shown(steps, size=os.fstat(file.fileno()).st_size):
                    self._summary = step.summary
                    rejects.write(step.rejected)
        except BadFileError as error:
            raise CommandError(f"{self._name}: {error}", returncode=self._ended()) from error
        except RejectsError as error:
            self._give_up(f"{error} --rejects PATH puts the rejected lines elsewhere.")
        except OSError as error:
            self._give_up(f"{self._name}: {error.strerror}.")
        except (InterfaceError, OperationalError) as error:
            said = str(error).partition("\n")[0]
            self._give_up(f"The database failed: {said}.")
        except KeyboardInterrupt:
            self._give_up("Interrupted.", returncode=INTERRUPTED)
        self._print()
        if not self._summary.lines:
            self.stderr.write(f"{self._name}: no records after the header.")
        if self._summary.rejected:
            sys.exit(INCOMPLETE)

    def _opened(self, file: BinaryIO) -> RejectsFile:
        path = self._rejects.path
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise CommandError(
                "--rejects must name another file than the input.", returncode=REFUSED
            )
        return self._rejects

    def _give_up(self, why: str, returncode: int | None = None) -> NoReturn:
        """End before the end of the file; say why, and what is recorded already."""
        if self._summary.lines:
            self._print()
            why += " What is counted is recorded; run it again to go on."
        raise CommandError(why, returncode=returncode or self._ended())

    def _ended(self) -> int:
        return INCOMPLETE if self._summary.lines_done else REFUSED

    def _shown(self, steps: Iterator[Progress], size: int) -> Iterator[Progress]:
        bar = ProgressBar()
        try:
            for step in steps:
                summary = step.summary
                if summary.lines_done:
                    bar.show("Recording", summary.lines_done, summary.lines)
                else:
                    bar.show("Reading  ", step.bytes_read, size)
                yield step
        finally:
            bar.clear()

    def _print(self) -> None:
        summary = self._summary
        self.stdout.write(
            f"{summary.created:,} created, {summary.unchanged:,} unchanged, "
            f"{summary.corrected:,} corrected, {summary.rejected:,} rejected; "
            f"{summary.credits:,} credit{pluralize(summary.credits)} charged."
        )
        if summary.joined:
            self.stdout.write(f"Lines joined with another of the same call: {summary.joined:,}.")
        for note, noted in summary.notes.items():
            self._warn(
                f"{note.field} {note.said} "
                f"{noted.calls:,} call{pluralize(noted.calls)}, the first: {noted.first_call_id}"
            )
        if summary.has_many_corrections and not self._revises:
            self._warn(
                f"{summary.corrected:,} of {summary.lines:,} lines corrected calls that were "
                "known already. If they are other calls, their IDs were used before: give them "
                "other IDs or a prefix, and import the earlier file again with --revise."
            )
        if self._rejects.lines:
            path = self._rejects.path.absolute()
            self._warn(f"Rejected lines, with reasons: {path}")

    def _warn(self, text: str) -> None:
        self.stderr.write(self.style.WARNING(text))


def _account(slug: str) -> Account:
    try:
        return Account.objects.get(slug=slug)
    except Account.DoesNotExist:
        slugs = list(Account.objects.order_by("slug").values_list("slug", flat=True))
        raise CommandError(
            f"There is no account “{slug}”.{did_you_mean(slug, slugs)}", returncode=REFUSED
        ) from None


def _require_plan(account: Account, now: datetime) -> None:
    """One clear line instead of one for each call."""
    try:
        agreement_at(account=account, at=now)
    except NoTariffError as error:
        raise CommandError(
            f"Calls of {account} can't be charged: {error}. Put it on a plan, then try again.",
            returncode=REFUSED,
        ) from None


def _input(name: str) -> BinaryIO:
    if name == STANDARD_INPUT:
        return open(0, "rb", closefd=False)
    return Path(name).open("rb")


def _source(account: Account, options: dict[str, Any], now: datetime) -> Source[Any]:
    source, own_options = chosen_source(options)
    zone = account.zone
    if options["time_zone"]:
        if options["time_zone"] not in place_names():
            raise CommandError(
                f"“{options['time_zone']}” is not a time zone. Use a name such as Asia/Kolkata.",
                returncode=REFUSED,
            )
        zone = ZoneInfo(options["time_zone"])
    return source(account_id=account.pk, zone=zone, now=now, **own_options)
