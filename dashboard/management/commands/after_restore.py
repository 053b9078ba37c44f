"""``manage.py after_restore``: what has to be done and said once a backup was restored."""

import inspect
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.db import transaction
from django.template.defaultfilters import pluralize

from billing import clock
from billing.accounts.encryption import unreadable
from billing.acting import ActingCommand
from billing.activity import ActivityKind, note
from calls.imports.lost_files import give_up_lost_files
from calls.inbox.sources import unreadable as unreadable_sources


class Command(ActingCommand):
    """Note a restore, close what the backup left out, say what cannot be read, audit the ledger.

    `make restore` calls it. Exit code 1 where the audit finds something.
    """

    help = inspect.cleandoc(__doc__)
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What was restored."""
        parser.add_argument("backup", help="The name of the file, for the activity log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, and say what came of it."""
        with transaction.atomic():
            note(ActivityKind.RESTORED, account=None, subject=options["backup"])
            lost = give_up_lost_files(now=clock.now())
        if lost:
            self.stdout.write(
                f"{lost:,} import{pluralize(lost)} lost the file, which no backup holds: import "
                f"{pluralize(lost, 'it,them')} once more."
            )
        emails = unreadable()
        if emails:
            count = len(emails)
            self.stdout.write(
                self.style.WARNING(
                    f"No key of FIELD_ENCRYPTION_KEYS (or SECRET_KEY) fits the second "
                    f"step{pluralize(count)} of {', '.join(emails)}. Set the keys of the site that "
                    "was backed up, or delete these second steps in /admin/: people then set them "
                    "up anew. Until then nobody signs in with them."
                )
            )
        sources = unreadable_sources()
        if sources:
            names = ", ".join(f"{source.name} of {source.account.name}" for source in sources)
            self.stdout.write(
                self.style.WARNING(
                    f"No key of FIELD_ENCRYPTION_KEYS (or SECRET_KEY) fits the "
                    f"secret{pluralize(len(sources))} of {names}: what "
                    f"{pluralize(len(sources), 'it sends,they send')} is refused until the keys of "
                    "the site that was backed up are set, or a new secret is made on the page of "
                    "the source and given to the platform."
                )
            )
        call_command("audit_ledger", stdout=self.stdout)
