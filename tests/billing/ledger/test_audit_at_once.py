"""The command proves two invariants at a time, of one snapshot, where nothing is uncommitted."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import Account, Balance

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.broken_ledger]


def test_what_is_committed_is_audited_by_several_connections(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = set()

    def note_session() -> list[object]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), current_setting('work_mem')")
            sessions.add(cursor.fetchone())
        return []

    command = "calls.management.commands.audit_ledger.INVARIANTS"
    monkeypatch.setattr(command, (note_session, note_session))
    call_command("audit_ledger", work_mem="77MB")
    assert len(sessions) == 2
    assert {work_mem for _, work_mem in sessions} == {"77MB"}


def test_breaches_that_are_committed_are_told_in_order(account: Account) -> None:
    Balance.objects.update_or_create(account=account, defaults={"credits": 5})
    said = StringIO()
    with pytest.raises(CommandError, match="breaches found"):
        call_command("audit_ledger", stdout=said)
    lines = said.getvalue().splitlines()
    assert lines[0].startswith(f"balance: account {account.slug}: ")
    assert len(lines) > 1
