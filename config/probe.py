"""Health checks of the containers: `python -m config.probe web|worker|beat`, 0 when healthy."""

import os
import socket
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from django.conf import settings

from config.celery import app

# Beat writes its schedule every three minutes; a beat that hangs stops doing so.
BEAT_SILENCE_SECONDS_MAX = 600


def web() -> bool:
    """Ask the site for its own health, which includes database and broker."""
    connection = HTTPConnection("127.0.0.1", settings.PORT, timeout=5)
    try:
        connection.request("GET", "/health/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def worker() -> bool:
    """Ask the worker of this very host for an answer through the broker."""
    name = f"celery@{socket.gethostname()}"
    return bool(app.control.ping(destination=[name], timeout=5, limit=1))


def beat() -> bool:
    """Look whether beat wrote its schedule lately."""
    schedule = Path(app.conf.beat_schedule_filename)
    written = [path.stat().st_mtime for path in schedule.parent.glob(f"{schedule.name}*")]
    return bool(written) and time.time() - max(written) < BEAT_SILENCE_SECONDS_MAX


PROBES: dict[str, Callable[[], bool]] = {"web": web, "worker": worker, "beat": beat}

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(0 if PROBES[sys.argv[1]]() else 1)
