"""Finds the Chromium that the browser tests drive, and installs Debian's when it may."""

import os
import shutil
import subprocess

from config.local.processes import say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium"
HOW_TO_INSTALL = f"apt-get install {PACKAGE}"


def executable() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _prefix() -> tuple[str, ...] | None:
    """Return what must precede apt-get for it to be allowed, or None when it is not."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return ()
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return (sudo, "-n")
    return None


def install_if_missing() -> None:
    """Install Chromium where that is allowed. Where not, say how; the tests then say it again."""
    if executable():
        return
    say(f"The browser tests need Chromium (Debian's package: {HOW_TO_INSTALL}).")
    prefix = _prefix()
    if prefix is None:
        say("It cannot be installed from here: the browser tests will be left out.")
        return
    say("Installing it …")
    install = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", PACKAGE)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("apt-get", "update", "--quiet"), install):
        done = subprocess.run(
            (*prefix, *command),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            say(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
