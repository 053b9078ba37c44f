"""What was found out about a file, as it is stored with its import."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from calls.imports.readings import Reading, reading_of
from calls.models import FileImport
from dashboard.imports.columns import Columns
from dashboard.imports.formats import format_label


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
    label = format_label(reading.format) if reading else ""
    found = [str(said) for _, said in file_import.examined.get("facts", ())]
    return [f"It is read as: {label}.", *found] if label else found


def questions_of(file_import: FileImport) -> list[AskedQuestion]:
    """What nobody has answered yet."""
    return [
        AskedQuestion(topic, said, [Choice(*choice) for choice in choices])
        for topic, said, choices in file_import.examined.get("questions", ())
    ]


def columns_of(file_import: FileImport) -> Columns:
    """The columns of the file with what stands in them."""
    sample: Sequence[Mapping[str, Any]] = file_import.examined.get("sample", ())
    reading = reading_of(file_import)
    names = reading.layout.columns if reading else ()
    return Columns(names or _names_in(sample), sample)


def _names_in(sample: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for values in sample for name in values))
