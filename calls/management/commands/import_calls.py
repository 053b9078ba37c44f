"""``manage.py import_calls``: record the calls in a file."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo, available_timezones

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.models import Account
from billing.rating import UsageType
from calls.formats import BadFileError, Format, canonical
from calls.formats.asterisk import AsteriskCsv
from calls.formats.canonical import CanonicalCsv
from calls.importing import BATCH_SIZE, Progress, Summary, import_calls
from calls.management.progress import ProgressBar
from calls.rejects import RejectsFile

INCOMPLETE = 1  # exit code: some lines were not recorded
REFUSED = 2  # exit code: nothing was recorded
INTERRUPTED = 130  # exit code of a program that Ctrl-C ended
ACCOUNTS_SUGGESTED_MAX = 5


class Command(BaseCommand):
    """Import a file of call records for one account.

    Exit code 0: every line went in. 1: some were rejected, see the rejects file. 2: nothing was
    recorded, because of the file or the arguments. 130: interrupted; run it again to go on.
    """

    help = f"{__doc__}\n\nThe format csv: {canonical.__doc__}"
    requires_migrations_checks = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the line breaks of the help, which describes the file format."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One file, one account, and how to read it."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--account", required=True, metavar="SLUG")
        parser.add_argument("--format", choices=["csv", "asterisk"], default="csv")
        parser.add_argument(
            "--time-zone",
            metavar="NAME",
            help="Zone of times without an offset, such as Asia/Kolkata (the account's).",
        )
        parser.add_argument(
            "--usage-type",
            choices=list(UsageType),
            help="asterisk: what the calls are (outbound).",
        )
        parser.add_argument(
            "--inbound-context",
            action="append",
            default=[],
            metavar="NAME",
            help="asterisk: calls from this dialplan context are inbound. Can be repeated.",
        )
        parser.add_argument(
            "--rejects",
            type=Path,
            metavar="PATH",
            help="Where rejected lines go (FILE.rejects.csv).",
        )
        parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, metavar="CALLS")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import, and say what happened."""
        path: Path = options["file"]
        rejects_path: Path = options["rejects"] or path.with_name(f"{path.name}.rejects.csv")
        self._summary = Summary()
        source = _format(_account(options["account"]), options)
        if options["batch_size"] < 1:
            raise CommandError("--batch-size must be at least 1.", returncode=REFUSED)
        try:
            with path.open("rb") as file, _rejects_file(rejects_path, path) as rejects:
                self._import(file, source, rejects, options["batch_size"])
        except OSError as error:
            raise CommandError(
                f"{error.filename or path}: {error.strerror}.",
                returncode=INCOMPLETE if self._summary.lines_done else REFUSED,
            ) from error

    def _import(
        self, file: BinaryIO, source: Format, rejects: RejectsFile, batch_size: int
    ) -> None:
        steps = import_calls(file=file, source=source, now=timezone.now(), batch_size=batch_size)
        summary = self._summary
        try:
            for step in self._shown(steps, size=Path(file.name).stat().st_size):
                summary = self._summary = step.summary
                rejects.write(step.rejected)
        except BadFileError as error:
            raise CommandError(f"{file.name}: {error}", returncode=REFUSED) from error
        except KeyboardInterrupt:
            self._print(summary, rejects)
            self.stderr.write("Interrupted. What is counted is recorded; run it again to go on.")
            sys.exit(INTERRUPTED)
        self._print(summary, rejects)
        if summary.rejected:
            sys.exit(INCOMPLETE)

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

    def _print(self, summary: Summary, rejects: RejectsFile) -> None:
        self.stdout.write(
            f"{summary.created:,} created, {summary.unchanged:,} unchanged, "
            f"{summary.corrected:,} corrected, {summary.rejected:,} rejected; "
            f"{summary.credits:,} credits charged."
        )
        if summary.joined:
            self.stdout.write(f"Lines joined with another of the same call: {summary.joined:,}.")
        if summary.rejected:
            self.stderr.write(self.style.WARNING(f"Rejected lines, with reasons: {rejects.path}"))


def _account(slug: str) -> Account:
    try:
        return Account.objects.get(slug=slug)
    except Account.DoesNotExist:
        slugs = list(Account.objects.order_by("slug").values_list("slug", flat=True))
        close = get_close_matches(slug, slugs, n=ACCOUNTS_SUGGESTED_MAX, cutoff=0.4)
        hint = f" Did you mean: {', '.join(close)}?" if close else ""
        raise CommandError(f"There is no account “{slug}”.{hint}", returncode=REFUSED) from None


def _format(account: Account, options: dict[str, Any]) -> Format:
    zone = account.zone
    if options["time_zone"]:
        if options["time_zone"] not in available_timezones():
            raise CommandError(
                f"“{options['time_zone']}” is not a time zone. Use a name such as Asia/Kolkata.",
                returncode=REFUSED,
            )
        zone = ZoneInfo(options["time_zone"])
    if options["format"] == "asterisk":
        return AsteriskCsv(
            account_id=account.pk,
            zone=zone,
            now=timezone.now(),
            usage_type=UsageType(options["usage_type"] or UsageType.OUTBOUND),
            inbound_contexts=options["inbound_context"],
        )
    if options["usage_type"] or options["inbound_context"]:
        raise CommandError(
            "--usage-type and --inbound-context go with --format asterisk; a csv says it itself.",
            returncode=REFUSED,
        )
    return CanonicalCsv(account_id=account.pk, zone=zone, now=timezone.now())


def _rejects_file(path: Path, input_path: Path) -> RejectsFile:
    if path.resolve() == input_path.resolve():
        raise CommandError("--rejects must name another file than the input.", returncode=REFUSED)
    return RejectsFile(path)
