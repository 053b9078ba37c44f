"""A sign of life from a step that can't stop and go on later, such as unpacking a large sheet.

Without it the sweeper would take such a step for one whose worker was killed, and start it anew.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from django.db import Error, connection

from calls.models import FileImport

BEAT_SECONDS = 5.0


@contextmanager
def beating(
    file_import: FileImport, *, clock: Callable[[], datetime], bytes_read: Callable[[], int]
) -> Iterator[None]:
    """Note every few seconds that the block still works on the import, and what it has read.

    It has a connection of its own, so the block must not hold the row of the import.
    """
    ours = FileImport.objects.filter(
        pk=file_import.pk, state=file_import.state, ticket=file_import.ticket
    )
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            with suppress(Error):  # whoever works on the import finds out by itself
                ours.update(moved_at=clock(), bytes_read=bytes_read())
        connection.close()

    thread = threading.Thread(target=beat, name="heartbeat of an import", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=BEAT_SECONDS)
