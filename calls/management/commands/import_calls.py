"""``manage.py import_calls``: record the calls in files, say what would happen, or take it back."""

import inspect
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from billing import clock
from billing.acting import ActingCommand
from billing.models import Account
from billing.plans.tariffs import NoTariffError, agreement_at
from billing.zones import place_names
from calls.imports.importing import BATCH_SIZE
from calls.management.file_runs import STANDARD_INPUT_REJECTS, FileRuns
from calls.management.mapping_arguments import add_mapping_arguments
from calls.management.opened_files import STANDARD_INPUT
from calls.management.source_arguments import (
    REFUSED,
    add_source_arguments,
    check_format,
    did_you_mean,
)
from calls.management.withdrawing import take_back
from calls.notations.layout import ENCODINGS
from calls.sources import Source
from calls.sources.registry import SOURCES


def _documentation(source: type[Source[Any]]) -> str:
    return inspect.getdoc(inspect.getmodule(source)) or source.label


class Command(ActingCommand):
    """Import files of call records for one account, and say of each which import it is.

    A file may be compressed (.gz, .zip with one file) or a spreadsheet (.xlsx); of a folder, every
    file in it is imported, by name. What a file is, is found out. --dry-run says what would happen,
    --withdraw ID takes an import back.

    Exit code 0: every line went in, also where there are none after the header: a day may have no
    calls. 1: not every line, or of several files not each, went in: see the rejects file and the
    last lines. 2: nothing was
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
        """Files, one account, and how to read them."""
        parser.add_argument(
            "files", nargs="*", metavar="file", help="Its path, or a folder's; - is standard input."
        )
        parser.add_argument("--account", required=True, metavar="SLUG")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would happen; record nothing."
        )
        parser.add_argument(
            "--withdraw", metavar="ID", help="Take back the import with this ID, and no file."
        )
        add_source_arguments(parser)
        add_mapping_arguments(parser)
        parser.add_argument(
            "--zone",
            "--time-zone",
            dest="time_zone",
            metavar="NAME",
            help="Zone of times without an offset, such as Asia/Kolkata (found out where the file "
            "shows it, else the account's).",
        )
        parser.add_argument(
            "--encoding",
            choices=ENCODINGS,
            metavar="NAME",
            help=f"Its encoding: {', '.join(ENCODINGS)} (found out).",
        )
        parser.add_argument(
            "--sheet",
            metavar="NAME",
            help="Which sheet of an Excel file to read (the one with the most rows).",
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
        """Do what the arguments say, and say what happened."""
        now = clock.now()
        account = _account(options["account"])
        files = options["files"]
        if options["withdraw"]:
            if files:
                raise CommandError("--withdraw takes an import's ID, and no file.", returncode=2)
            take_back(named=options["withdraw"], account=account, out=self.stdout)
            return
        if not files:
            raise CommandError(f"Name a file, or {STANDARD_INPUT}.", returncode=REFUSED)
        _check(options)
        _require_plan(account, now)
        FileRuns(command=self, account=account, options=options, now=now).run(files)


def _check(options: dict[str, Any]) -> None:
    check_format(options)
    zone = options["time_zone"]
    if zone and zone not in place_names():
        raise CommandError(
            f"“{zone}” is not a time zone. Use a name such as Asia/Kolkata.", returncode=REFUSED
        )
    if options["batch_size"] < 1:
        raise CommandError("--batch-size must be at least 1.", returncode=REFUSED)


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
