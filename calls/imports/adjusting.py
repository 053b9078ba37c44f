"""What people change about how a file is read: how it is cut, and what it leaves open.

`calls.imports.readings.choose` takes a whole reading; here is what has to find out anew first, or
answers what was asked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.refusals import Refusal
from calls.imports import machine, parts
from calls.imports.finding import find_out
from calls.imports.readings import Reading, choose, reading_of, require_file
from calls.models import FileImport
from calls.notations import BadFileError
from calls.notations.layout import Layout


def cut(*, file_import: FileImport, layout: Layout, now: datetime) -> FileImport:
    """Cut the file by ``layout`` from now on, and find out anew what it is.

    Raises Refusal where it can't be cut so.
    """
    require_file(file_import)
    try:
        with parts.opened(file_import) as file:
            found = find_out(
                account=file_import.account,
                name=file_import.file_name,
                file=file,
                now=now,
                layout=layout,
            )
    except BadFileError as error:
        raise Refusal(str(error), field="layout") from None
    return _store(file_import, found.reading, found.as_json(), now)


def answer(*, file_import: FileImport, answers: Mapping[str, str], now: datetime) -> FileImport:
    """Answer what the file leaves open: for the topic of a question, one of its choices.

    Raises Refusal with the topic as its field where that is none of them.
    """
    reading = reading_of(file_import)
    asked = file_import.examined.get("questions", [])
    for topic, _, choices in asked:
        if topic in answers and answers[topic] not in {value for value, _ in choices}:
            raise Refusal("Choose one of the answers.", field=topic)
    if reading is None or not asked:
        raise Refusal("Nothing is asked any more. Reload the page.")
    for topic, _, _ in asked:
        if topic in answers:
            reading = answered(reading, topic, answers[topic])
    left = [question for question in asked if question[0] not in answers]
    return _store(file_import, reading, {**file_import.examined, "questions": left}, now)


def answered(reading: Reading, topic: str, value: str) -> Reading:
    """Return ``reading`` with the answer to one question."""
    if topic == "zone":
        return replace(reading, zone=value)
    return reading


def _store(
    file_import: FileImport, reading: Reading, examined: Mapping[str, Any], now: datetime
) -> FileImport:
    with transaction.atomic():
        found = machine.lock(file_import)
        found = choose(file_import=found, reading=reading, now=now)
        FileImport.objects.filter(pk=found.pk).update(examined=examined)
        found.examined = dict(examined)
        return found
