"""Looking at a large file: in slices where it is packed, and with a sign of life all the while."""

import gzip
import time

import pytest
from django.utils import timezone

from calls.imports import heartbeat, machine, parts, slices
from calls.models import FileImport, ImportState
from tests.calls.importing import lines
from tests.calls.imports.engine import recent, trial_of, tried, uploaded

CALLS = 20


def now_of(file_import):
    return FileImport.objects.get(pk=file_import.pk)


@pytest.fixture
def content():
    return lines(*(recent(f"c{number}") for number in range(CALLS))).encode()


@pytest.mark.django_db
def test_a_packed_file_is_unpacked_in_a_slice_of_its_own(professional, content):
    found = uploaded(professional, gzip.compress(content), name="calls.csv.gz")
    assert slices.work(import_id=found.pk, clock=timezone.now)
    unpacked = now_of(found)
    assert (unpacked.state, unpacked.is_unpacked) == (ImportState.EXAMINING, True)
    with parts.opened(unpacked) as file:
        assert file.read() == content
    assert not slices.work(import_id=found.pk, clock=timezone.now)
    looked_at = now_of(found)
    assert looked_at.state == ImportState.READY
    said = [sentence for _, sentence in looked_at.examined["facts"]]
    assert said[0] == "The file was compressed with gzip."
    assert said[-1] == "This looks like CSV with our own columns."


@pytest.mark.django_db
def test_a_packed_file_goes_in_like_any_other(professional, content):
    found = tried(professional, gzip.compress(content), name="calls.csv.gz")
    assert trial_of(found).summary.created == CALLS


@pytest.mark.django_db(transaction=True)
def test_a_file_that_takes_long_to_look_at_is_not_taken_for_abandoned(
    professional, content, monkeypatch
):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    found = uploaded(professional, content)
    long_ago = timezone.now() - 2 * machine.STALLED_AFTER
    FileImport.objects.filter(pk=found.pk).update(moved_at=long_ago)
    found = now_of(found)
    with heartbeat.beating(found, clock=timezone.now, bytes_read=lambda: 7):
        deadline = time.monotonic() + 30
        while now_of(found).moved_at == long_ago:
            assert time.monotonic() < deadline
    assert not machine.stalled(now=timezone.now()).exists()
    assert now_of(found).bytes_read == 7


@pytest.mark.django_db(transaction=True)
def test_a_sign_of_life_of_an_earlier_attempt_changes_nothing(professional, content, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    found = uploaded(professional, content)
    beats = []

    def bytes_read():
        beats.append(1)
        return 7

    FileImport.objects.filter(pk=found.pk).update(ticket=found.ticket + 1)
    with heartbeat.beating(found, clock=timezone.now, bytes_read=bytes_read):
        deadline = time.monotonic() + 30
        while len(beats) < 2:
            assert time.monotonic() < deadline
    assert now_of(found).bytes_read == 0
