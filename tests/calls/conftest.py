"""Accounts whose calls can be charged, and ways to import files for them."""

import os
from datetime import UTC, datetime

import pytest

from billing.models import Plan
from billing.plans.subscriptions import subscribe
from tests.calls.importing import Outcome

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def professional(default_plans, account):
    """Acme, in India, on Professional since March: 1 credit for 30 s, 1,500 credits a cycle."""
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=SINCE)
    return account


@pytest.fixture
def base(default_plans, other_account):
    """A company in London on Base since March: 2 credits for 60 s, 100 credits a cycle."""
    subscribe(account=other_account, plan=Plan.objects.get(name="Base"), at=SINCE)
    return other_account


@pytest.fixture
def importing_file(tmp_path, professional):
    """A function that imports text or bytes for Acme and returns the outcome."""

    def import_file(content, *args, name="calls.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Outcome(str(path), *args, **{"account": "acme", **options})

    return import_file


@pytest.fixture
def piped(tmp_path, monkeypatch, professional):
    """A function that imports bytes of a pipe for Acme, in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def import_piped(content, file="-", **options):
        reading_end, writing_end = os.pipe()
        os.write(writing_end, content.encode())
        os.close(writing_end)
        before = os.dup(0)
        os.dup2(reading_end, 0)
        try:
            return Outcome(file, **{"account": "acme", **options})
        finally:
            os.dup2(before, 0)
            os.close(before)
            os.close(reading_end)

    return import_piped
