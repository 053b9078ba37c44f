"""The columns that a file of rejected lines has at its end, and how readers leave them out."""

from collections.abc import Sequence
from typing import Final

PREFIX: Final = "Rejected: "
COLUMNS: Final = (f"{PREFIX}line", f"{PREFIX}field", f"{PREFIX}reason")


def without_rejected(values: Sequence[str]) -> list[str]:
    """``values`` of a header, or of a line without one, without those columns at the end."""
    kept = list(values)
    while kept and kept[-1].startswith(PREFIX):
        kept.pop()
    return kept
