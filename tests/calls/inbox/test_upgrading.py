"""What became of events before there was a table of open ones stays known, there and back."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from calls.models import InboxEvent, OpenEvent
from tests.calls.inbox.sending import NOW, connect, settled

BEFORE = [("calls", "0008_retold_calls")]
INSERT = """
    INSERT INTO calls_inboxevent (source_id, sha256, via, call_id, fields, received_at, state,
                                  field, reason, attempts, settled_at)
    VALUES (%s, %s, 'sent', %s, '{}', %s, %s, %s, %s, %s, %s)
"""
FAILED = ("failed", "account", "has no plan", 3, NOW)
STOOD = {
    "recorded": ("recorded", "", "", 1, NOW),
    "failed": FAILED,
    "irrelevant": ("irrelevant", "", "has not ended yet", 1, NOW),
    "waiting": ("waiting", "", "", 0, None),
    "held": ("held", "", "", 0, None),
    "tried again by itself": ("waiting", *FAILED[1:]),
    "tried again by somebody": ("waiting", *FAILED[1:4], None),
}


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets or executor.loader.graph.leaf_nodes())


def test_events_stand_as_they_stood(transactional_db, account):
    source = connect(account)
    try:
        migrate(BEFORE)
        with connection.cursor() as cursor:
            for name, stood in STOOD.items():
                cursor.execute(INSERT, [source.pk, name.encode(), name, NOW, *stood])
        migrate(None)
        migrate(BEFORE)
    finally:
        migrate(None)
    assert settled() == [(name, *stood[:3]) for name, stood in STOOD.items()]
    asked = OpenEvent.objects.filter(is_asked_for=True)
    assert [one.event.call_id for one in asked] == ["tried again by somebody"]
    assert OpenEvent.objects.get(state="failed").attempts == 3
    assert OpenEvent.objects.get(state="failed").settled_at == NOW
    assert not hasattr(InboxEvent.objects.get(call_id="recorded"), "open")


def test_what_somebody_asked_for_again_stays_asked_for(transactional_db, account):
    event = InboxEvent.objects.create(
        source=connect(account), sha256=b"1", call_id="v1", fields={}, received_at=NOW
    )
    OpenEvent.objects.create(event=event, source=event.source, is_asked_for=True)
    try:
        migrate(BEFORE)
    finally:
        migrate(None)
    assert OpenEvent.objects.get().is_asked_for


pytestmark = pytest.mark.django_db(transaction=True)
