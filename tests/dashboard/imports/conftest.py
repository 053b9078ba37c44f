"""What the tests of the import pages share: an account that can be charged, files, and a worker."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import Account, Plan, User
from billing.plans.subscriptions import subscribe
from calls.imports import steps, uploads
from calls.models import FileImport

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
HEADER = "call_id,usage_type,status,started_at,connected_at,ended_at"


def own_csv(*call_ids: str) -> bytes:
    """A file in the product's own notation: a call of 60 s for each of ``call_ids``."""
    return "\n".join(
        [
            HEADER,
            *(
                f"{call_id},outbound,completed,2026-11-10T09:30:00,2026-11-10T09:30:05,"
                "2026-11-10T09:31:05"
                for call_id in call_ids
            ),
            "",
        ]
    ).encode()


@pytest.fixture
def customer(account: Account) -> Account:
    """Acme, in India, on Professional since November: 1 credit for 30 s, 1,500 credits a cycle."""
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=SINCE)
    return account


@pytest.fixture
def manager(client: Client, customer: Account, admin: User) -> Client:
    """The browser of an Admin of the account, who may import and may not pay."""
    client.force_login(admin)
    return client


def uploaded(
    account: Account, content: bytes, *, name: str = "calls.csv", by: User | None = None
) -> FileImport:
    """A file that has arrived and was examined."""
    file_import = uploads.take_whole(
        account=account, by=by, file_name=name, chunks=[content], now=timezone.now()
    )
    return worked(file_import)


def tried(account: Account, content: bytes, **more: Any) -> FileImport:
    """A file that was tried."""
    file_import = uploaded(account, content, **more)
    steps.start_trial(file_import=file_import, by=None, now=timezone.now())
    return worked(file_import)


def imported(account: Account, content: bytes, **more: Any) -> FileImport:
    """A file that was imported."""
    file_import = tried(account, content, **more)
    steps.start(file_import=file_import, by=None, now=timezone.now())
    return worked(file_import)


def worked(file_import: FileImport) -> FileImport:
    """Do what a worker does, until there is nothing more to do."""
    while steps.work(import_id=file_import.pk, clock=timezone.now):
        pass
    file_import.refresh_from_db()
    return file_import
