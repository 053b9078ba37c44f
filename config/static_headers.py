"""Headers of static files."""

from collections.abc import MutableMapping

# A file is no page. Pages have a policy of some length, which each file would repeat.
POLICY = "default-src 'none'; frame-ancestors 'none'"


def add_headers(headers: MutableMapping[str, str], path: str, url: str) -> None:
    """Add to the headers of the file at ``path``, as WhiteNoise asks."""
    headers["Content-Security-Policy"] = POLICY
