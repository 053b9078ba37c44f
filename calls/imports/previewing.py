"""The first records of a file, as a reading makes calls of them. Writes nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from calls.imports import parts
from calls.imports.batches import TORN
from calls.imports.readings import Reading, require_file, source_of
from calls.models import FileImport
from calls.notations import BadFileError, RawRecord
from calls.records import CallRecord, Rejected
from calls.sources import Ignored, Source


class PreviewRow(NamedTuple):
    """A record: the number of its line, its values by column, and what it comes to.

    ``record`` is a call, or why there is none. Lines of one call that stand among the first come to
    one call, which is said at each of them.
    """

    number: int
    values: Mapping[str, str]
    record: CallRecord | Rejected | Ignored


class Preview(NamedTuple):
    """The first records of a file. ``said``: why the file can't be read so, "" where it can."""

    rows: tuple[PreviewRow, ...]
    said: str = ""


def preview(*, file_import: FileImport, reading: Reading, rows: int = 10, now: datetime) -> Preview:
    """Read the first ``rows`` records of the file by ``reading``. Raises Refusal without a file."""
    require_file(file_import)
    source = source_of(reading=reading, account=file_import.account, now=now)
    try:
        with parts.opened(file_import) as file:
            first = list(islice(source.reader(file), rows))
    except BadFileError as error:
        return Preview((), str(error))
    read = _read(first, source)
    return Preview(
        tuple(
            PreviewRow(raw.number, _by_column(raw.values, reading), read[raw.number])
            for raw in first
        )
    )


def _read(
    first: Sequence[RawRecord[Any]], source: Source[Any]
) -> dict[int, CallRecord | Rejected | Ignored]:
    calls: dict[object, list[RawRecord[Any]]] = defaultdict(list)
    read: dict[int, CallRecord | Rejected | Ignored] = {}
    seen: dict[str, int] = defaultdict(int)
    for raw in first:
        if raw.is_torn or raw.defect:
            read[raw.number] = Rejected("line", raw.defect or TORN)
            continue
        call_id = source.call_id(raw.values)
        seen[call_id] += 1
        if call_id and source.equal_rows_are_calls:
            raw = raw._replace(occurrence=seen[call_id])
        is_alone = source.equal_rows_are_calls or not call_id
        calls[raw.number if is_alone else call_id].append(raw)
    for lines in calls.values():
        for one in source.read_certain(lines):
            record = one.record
            if isinstance(record, Rejected):
                record = Rejected(source.field_name(record.field), record.reason)
            read.update(dict.fromkeys((raw.number for raw in one.raw), record))
    return read


def _by_column(values: Any, reading: Reading) -> Mapping[str, str]:
    """The values of a record by the names of their columns, or their numbers."""
    if isinstance(values, Mapping):
        return values
    names = [*reading.layout.columns]
    names += map(str, range(len(names) + 1, len(values or ()) + 1))
    return dict(zip(names, values or (), strict=False))
