"""Closing an account as a whole: with it ends what reports its calls."""

from datetime import datetime

from django.db import transaction

from billing.accounts import closing
from billing.models import Account, User
from calls.inbox import sources
from calls.models import CallSource, FileImport, ImportState


def close_account(*, account: Account, by: User, reason: str, now: datetime) -> Account:
    """Close ``account`` as `billing.accounts.closing` does, and delete its sources.

    What a source sent before is still recorded. Imports that are under way go on: they bring calls
    that have happened.
    """
    with transaction.atomic():
        # Before the account and its balance: whoever records what a source sent locks it first.
        own = CallSource.objects.select_for_update(no_key=True).filter(account=account)
        list(own.order_by("pk").values_list("pk", flat=True))
        closed = closing.close_account(account=account, by=by, reason=reason, now=now)
        for source in sources_of(account):
            sources.delete(source=source, now=now)
    return closed


def sources_of(account: Account) -> list[CallSource]:
    """The sources of ``account`` that are connected, in their order."""
    return list(CallSource.objects.filter(account=account, deleted_at=None))


def imports_under_way(account: Account) -> list[FileImport]:
    """The imports of ``account`` that are recording calls now."""
    return list(FileImport.objects.filter(account=account, state=ImportState.IMPORTING))
