"""What a file is: examined, recognised, and with the reading that is proposed for it."""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from billing.models import Account
from billing.texts import storable
from calls.imports.readings import Reading
from calls.notations import BadFileError, RawRecord
from calls.notations.layout import Fact, Layout


class Found(NamedTuple):
    """What was found out about a file.

    ``reading`` is how it is read unless somebody chooses otherwise. ``unpacked`` is what was
    unpacked from it, where it was; else it is None.
    """

    reading: Reading
    facts: tuple[Fact, ...]
    questions: tuple[Any, ...]
    sample: tuple[RawRecord[Mapping[str, str]], ...]
    unpacked: BinaryIO | None
    is_known: bool = True

    def as_json(self) -> dict[str, Any]:
        """What is stored of it with the import."""
        return {
            "facts": [[fact.topic, fact.said] for fact in self.facts],
            "questions": [
                [question.topic, question.said, [list(choice) for choice in question.choices]]
                for question in self.questions
            ],
        }


def find_out(
    *,
    account: Account,
    name: str,
    file: BinaryIO,
    now: datetime,
    layout: Layout | None = None,
) -> Found:
    """Examine ``file``, and propose how it is read. With ``layout`` it is cut so.

    Raises BadFileError where it can't be read.
    """
    text = file.read(200_000).decode(errors="surrogateescape")
    file.seek(0)
    if not text.strip():
        raise BadFileError("The file is empty.")
    delimiter = max(",;\t", key=text.splitlines()[0].count)
    first = next(csv.reader(io.StringIO(text), delimiter=delimiter))
    has_header = "call_id" in first
    columns = first if has_header else map(str, range(1, len(first) + 1))
    layout = Layout(
        delimiter=delimiter, has_header=has_header, columns=tuple(map(storable, columns))
    )
    said = f"Values are separated by “{delimiter}”."
    reading = Reading("csv" if has_header else "asterisk", layout=layout)
    return Found(reading, (Fact("separator", said),), (), (), None)
