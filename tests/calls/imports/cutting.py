"""The sample files of known formats, examined as an import does."""

from io import BytesIO
from itertools import islice
from pathlib import Path

from calls.notations import RawRecord
from calls.notations.documents import LIST_NAMES, DocumentReader
from calls.notations.layout import JSON, Examined, Layout
from calls.notations.shape import column_names, find_shape, first_records

SAMPLES = Path(__file__).parents[2] / "samples"


def examined(content, name="calls.csv"):
    """What `calls.notations.examining.examine` gives."""
    file = BytesIO(content)
    if content.lstrip()[:1] in (b"{", b"["):
        return _json(content)
    shape = find_shape(file, encoding="utf-8")
    header = shape.header
    columns = column_names(header or [""] * shape.columns, shape.columns)
    if header is None:
        columns = tuple(str(place) for place in range(1, shape.columns + 1))
    layout = Layout(
        delimiter=shape.delimiter,
        quote=shape.quote,
        skipped_lines=shape.skipped_lines,
        has_header=header is not None,
        columns=columns,
    )
    rows = first_records(file, "utf-8", shape.delimiter, shape.quote, False)
    rows = rows[1:] if header is not None else rows
    sample = tuple(
        RawRecord(row.number, row.text, dict(zip(columns, row.values, strict=False)))
        for row in rows[:200]
    )
    file.seek(0)
    return Examined(file, layout, (), sample)


def _json(content):
    for records_at in ("", *LIST_NAMES, "Calls", "call_logs"):
        reader = DocumentReader(BytesIO(content), records_at=records_at)
        sample = tuple(islice(reader, 200))
        if sample and (records_at or (f'"{LIST_NAMES}' and not _is_envelope(content))):
            break
    columns = tuple(dict.fromkeys(name for raw in sample for name in raw.values))
    layout = Layout(notation=JSON, columns=columns, records_at=records_at)
    return Examined(BytesIO(content), layout, (), sample)


def _is_envelope(content):
    import json

    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and any(
        isinstance(document.get(one), list) for one in (*LIST_NAMES, "Calls", "call_logs")
    )
