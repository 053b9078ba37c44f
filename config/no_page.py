"""Headers of what is no page: static files and probes, which no middleware adds any to."""

from collections.abc import MutableMapping

# Nothing is loaded by them, and no page may frame them. The policy of pages is long, and each of
# the files of a page would repeat it.
POLICY = "default-src 'none'; frame-ancestors 'none'"
OF_PROBES = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
}


def add_to_file(headers: MutableMapping[str, str], path: str, url: str) -> None:
    """Add to the headers of the file at ``path``, as WhiteNoise asks."""
    headers["Content-Security-Policy"] = POLICY
