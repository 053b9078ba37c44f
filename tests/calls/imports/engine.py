"""Files that go through the engine, as a person and a worker take them there."""

import hashlib
from datetime import timedelta

from django.utils import timezone

from calls.imports import machine, readings, selectors, slices, steps, uploads
from calls.imports.parts import PART_BYTES
from calls.models import FileImport, ImportState

CLOCK = timezone.now


def recent(call_id, seconds=65):
    """A line of a call of yesterday: unlike an older one, it uses credits that there are now."""
    started = timezone.now().replace(microsecond=0) - timedelta(days=1)
    ended = started + timedelta(seconds=seconds)
    times = ",".join(at.isoformat() for at in (started, started, ended))
    return f"{call_id},outbound,completed,{times}"


def digest(content):
    return hashlib.sha256(content).hexdigest()


def parts_of(content):
    """The parts that a browser makes of a file."""
    return [content[at : at + PART_BYTES] for at in range(0, len(content), PART_BYTES)]


def uploaded(account, content, *, by=None, name="calls.csv"):
    """An import whose file has arrived and waits to be examined."""
    content = content if isinstance(content, bytes) else content.encode()
    return uploads.take_whole(
        account=account, by=by, file_name=name, chunks=[content], now=timezone.now()
    )


def worked(file_import, *, times=1_000):
    """Do what a worker does, until there is nothing more to do; return the import as it is then."""
    for _ in range(times):
        slices.work(import_id=file_import.pk, clock=timezone.now)
        file_import = FileImport.objects.select_related("account").get(pk=file_import.pk)
        if file_import.state not in machine.MOVING:
            break
    return file_import


def ready(account, content, **more):
    """An import whose file has been examined."""
    found = worked(uploaded(account, content, **more))
    assert found.state == ImportState.READY, found.said
    return found


def tried(account, content, **more):
    """An import after its trial run."""
    found = ready(account, content, **more)
    steps.start_trial(file_import=found, by=None, now=timezone.now())
    found = worked(found)
    assert found.state == ImportState.TRIED, found.said
    return found


def begun(account, content, **more):
    """An import that waits to be recorded."""
    found = tried(account, content, **more)
    return steps.start(file_import=found, by=None, now=timezone.now())


def done(account, content, **more):
    """An import that has been recorded."""
    found = worked(begun(account, content, **more))
    assert found.state == ImportState.DONE, found.said
    return found


def trial_of(file_import):
    """What its trial run says."""
    trial = selectors.trial_of(file_import)
    assert trial is not None
    return trial


def reading_of(file_import):
    """How its file is read."""
    reading = readings.reading_of(file_import)
    assert reading is not None
    return reading
