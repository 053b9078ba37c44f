"""The first records of a file, as a reading makes calls of them. Writes nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from calls.imports.readings import Reading
from calls.models import FileImport
from calls.records import CallRecord, Rejected


class PreviewRow(NamedTuple):
    """A record: the number of its line, its values by column, and what it comes to.

    ``record`` is a call, or why there is none: rejected, or not a call for billing.
    """

    number: int
    values: Mapping[str, str]
    record: CallRecord | Rejected


class Preview(NamedTuple):
    """The first records of a file. ``said``: why the file can't be read so, "" where it can."""

    rows: tuple[PreviewRow, ...]
    said: str = ""


def preview(*, file_import: FileImport, reading: Reading, rows: int = 10, now: datetime) -> Preview:
    """Read the first ``rows`` records of the file by ``reading``. Raises Refusal without a file."""
    raise NotImplementedError
