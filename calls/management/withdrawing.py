"""``import_calls --withdraw``: take an import back, beside whatever workers there are."""

import time
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from billing import clock
from billing.models import Account
from billing.refusals import Refusal
from billing.texts import grouped, in_credits
from calls.imports import slices, steps
from calls.imports.selectors import waits_for
from calls.management.progress import ProgressBar
from calls.management.source_arguments import REFUSED
from calls.models import FileImport, ImportState

INCOMPLETE = 1

WAITING_SECONDS = 0.5


def take_back(*, named: str, account: Account, out: Any) -> None:
    """Take back the import of ``account`` that has the number or public ID ``named``.

    Raises CommandError.
    """
    found = _import(named, account)
    try:
        found = steps.withdraw(file_import=found, by=None, now=clock.now())
    except Refusal as refusal:
        raise CommandError(f"Import {named}: {refusal.message}", returncode=REFUSED) from None
    bar = ProgressBar()
    try:
        while found.state == ImportState.WITHDRAWING:
            if not slices.work(import_id=found.pk, clock=clock.now):
                found.refresh_from_db()
                if found.state == ImportState.WITHDRAWING:  # another one is at work, or before it
                    if waits_for(found) is not None:
                        bar.show("Waiting for another import of the account", 0, 0)
                    time.sleep(WAITING_SECONDS)
            found.refresh_from_db()
            bar.show("Taking back", found.withdrawal.get("withdrawn", 0), 0)
    except KeyboardInterrupt:
        bar.clear()
        raise CommandError(
            "Interrupted. A worker goes on with it; so does the same command.", returncode=130
        ) from None
    finally:
        bar.clear()
    if found.state != ImportState.WITHDRAWN:
        raise CommandError(f"Import {named}: {found.said}", returncode=INCOMPLETE)
    done = found.withdrawal
    unlinked = done.get("unlinked", 0)
    others = f"{grouped(unlinked)} left to other sources, " if unlinked else ""
    out.write(
        f"{grouped(done['withdrawn'])} withdrawn, {grouped(done['restored'])} as before the "
        f"import, {others}{grouped(done['kept'])} kept because something else changed them since; "
        f"{in_credits(done['credits'])} given back."
    )


def _import(named: str, account: Account) -> FileImport:
    imports = FileImport.objects.filter(account=account)
    if named.isascii() and named.isdigit():
        found = imports.filter(pk=int(named)).first()
    else:
        try:
            found = imports.filter(public_id=UUID(named)).first()
        except ValueError:
            found = None
    if found is None:
        raise CommandError(f"{account} has no import {named}.", returncode=REFUSED)
    return found
