"""How the file of an import is read: its format, layout, mapping, time zone, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from billing.models import Account
from calls.models import FileImport
from calls.notations.layout import Layout
from calls.sources import Source

MAPPED = "mapped"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read.

    ``format`` is the name of a source (`calls.sources.registry`), or MAPPED with a ``profile``, in
    the form in which it is stored. ``options`` are those of the source. ``zone`` is the IANA name of
    that of times without an offset. With ``revise`` the file is the last word about its calls.
    """

    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    profile: Mapping[str, Any] | None = None
    zone: str = ""
    revise: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Reading":
        """Return the reading that `as_json` stored. Raises Refusal where it is none."""
        raise NotImplementedError


def choose(*, file_import: FileImport, reading: Reading, now: datetime) -> FileImport:
    """Read the file so from now on; what was tried with another reading is forgotten.

    Raises Refusal, naming the part of the reading, where the file can't be read so, or where the
    import has begun.
    """
    raise NotImplementedError


def source_of(*, reading: Reading, account: Account, now: datetime) -> Source[Any]:
    """Return the source that reads so, for one file. Raises Refusal."""
    raise NotImplementedError
