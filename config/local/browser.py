"""Finds the Chromium that the browser tests drive.

The one that can show no windows takes them two thirds of the time.
"""

import shutil

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
HOW_TO_INSTALL = "apt-get install chromium-headless-shell"


def executable() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
