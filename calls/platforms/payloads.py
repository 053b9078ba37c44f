"""Bodies of messages, and the named fields taken from them. What is not named is never kept."""

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from billing.texts import storable
from calls.notations.json_text import DECODER, Number
from calls.notations.values import flattened
from calls.platforms import ForgedError

# A name or number that is longer is none.
FIELD_LENGTH_MAX: Final = 500
FORM_FIELDS_MAX: Final = 1_000

Form = dict[str, list[str]]


def json_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object that ``body`` is, its numbers as they were written.

    A byte in it that is no UTF-8 spoils the text that it is in, and no more. Raises ForgedError
    where it is no JSON.
    """
    try:
        document = DECODER.decode(body.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError):
        raise ForgedError("the body is no JSON") from None
    if not isinstance(document, dict):
        raise ForgedError("the body is no JSON object")
    return document


def form_of(body: bytes, *, errors: str = "strict") -> Form:
    """Return the values of a form in UTF-8, by name. Raises ForgedError where it is none.

    ``errors``: what becomes of bytes that are no UTF-8.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8", errors),
            keep_blank_values=True,
            errors=errors,
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        raise ForgedError("the body is no form in UTF-8") from None
    form: Form = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def picked(document: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """Return the values at the dotted paths ``names`` as texts, those that are told."""
    found = {}
    for name in names:
        text = text_at(document, name)
        if text:
            found[name] = text
    return found


def text_at(document: Mapping[str, Any], path: str) -> str:
    """Return the value at a dotted ``path`` as a text; "" where there is none, or no single one."""
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, dict):
            return ""
        value = value.get(part)
    return text_of(value)


def text_of(value: Any) -> str:
    """Return a single value of JSON as a text that can be stored."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = value if isinstance(value, str) else ""
    if not text or isinstance(value, Number):
        text = flattened({"": value})[""]
    text = text[:FIELD_LENGTH_MAX]
    return text if text.isprintable() else storable(text)
