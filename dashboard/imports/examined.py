"""What was found out about a file, as it is stored with its import."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from billing.refusals import Refusal
from billing.texts import storable
from calls.imports import parts
from calls.imports.readings import Reading, require_file
from calls.models import FileImport
from calls.notations import BadFileError
from calls.sources import open_reader
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import columns_of as columns_by
from dashboard.imports.columns import Columns
from dashboard.imports.formats import format_label

SAMPLE_MAX = 200  # records


class Choice(NamedTuple):
    """An answer to a question, with one example spelt out."""

    value: str
    words: str


class AskedQuestion(NamedTuple):
    """Something that the file does not tell."""

    topic: str
    said: str
    choices: Sequence[Choice]


def facts_of(file_import: FileImport, reading: Reading | None) -> list[str]:
    """What was found out, in sentences; the format that was chosen first."""
    label = format_label(reading) if reading else ""
    found = file_import.examined.get("facts", ())
    if not label:
        return [str(said) for _, said in found]
    # What was found may be another one than what was chosen since.
    rest = [str(said) for topic, said in found if topic != "format"]
    return [f"It is read as “{label}”.", *rest]


def questions_of(file_import: FileImport) -> list[AskedQuestion]:
    """What nobody has answered yet."""
    return [
        AskedQuestion(topic, said, [Choice(*choice) for choice in choices])
        for topic, said, choices in file_import.examined.get("questions", ())
    ]


def columns_of(file_import: FileImport, reading: Reading) -> Columns:
    """The columns of the file with what stands in its first records.

    Raises Refusal where the file can't be cut, or is no longer there.
    """
    require_file(file_import)
    layout = reading.layout
    try:
        with parts.opened(file_import) as file:
            first = open_reader(
                file,
                layout,
                delimiters=layout.delimiter,
                takes_as_header=lambda row: layout.has_header,
                may_be_torn=lambda last, is_closed: False,
            )
            names = _names(reading)
            sample = [
                {storable(name): storable(text) for name, text in values.items()}
                for values in (_by_column(raw.values, names) for raw in islice(first, SAMPLE_MAX))
            ]
    except BadFileError as error:
        raise Refusal(str(error), field="layout") from None
    found = dict.fromkeys(names)
    for values in sample:
        found.update(dict.fromkeys(values))
    return Columns(tuple(found), sample)


def _names(reading: Reading) -> tuple[str, ...]:
    """The names of the columns: the header's, or those that the mapping gives them."""
    if reading.profile is None:
        return reading.layout.columns
    return columns_by(Profile.from_json(reading.profile), reading.layout)


def _by_column(values: Any, names: Sequence[str]) -> Mapping[str, str]:
    """The values of a record by the names of their columns, or their numbers."""
    if isinstance(values, Mapping):
        return values
    row = values or ()
    return dict(zip((*names, *map(str, range(len(names) + 1, len(row) + 1))), row, strict=False))
