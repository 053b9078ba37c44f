"""The values of a JSON document as texts: by dotted paths, and written out on one line."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import TypeAlias

from calls.notations.json_text import DEPTH_MAX, Json, Number

Document: TypeAlias = dict[str, str]

BETWEEN_TOKENS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)

HALVES = re.compile("[\ud800-\udfff]")

# An exponent that is larger than this is no amount of anything.
DIGITS_MAX = 40


def flattened(document: Json) -> Document:
    """Return the values by dotted paths, as texts. A list is one value: its compact JSON.

    Raises RecursionError where it is nested too deep.
    """
    found: Document = {}
    if isinstance(document, dict):
        _flatten(document, "", found, 0)
    return found


def _flatten(document: Mapping[str, Json], path: str, found: Document, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise RecursionError
    for name, value in document.items():
        own = f"{path}{name}"
        if isinstance(value, dict) and value:
            _flatten(value, f"{own}.", found, depth + 1)
        else:
            found[own] = _text(value)


def _text(value: Json) -> str:
    if isinstance(value, Number):
        return _plain(value)
    if isinstance(value, str):
        return value
    if value is None or value == {}:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    return written_out(value)


def _plain(number: Number) -> str:
    """Return a number without exponent and, where it is whole, without decimals."""
    if number.lstrip("-").isdigit():
        return str(number)
    try:
        exact = Decimal(number)
    except InvalidOperation:
        return str(number)
    if not exact.is_finite() or abs(exact.adjusted()) > DIGITS_MAX:
        return str(number)
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if _is_whole(exact) and "." in text else text


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def written_out(value: Json) -> str:
    """Write ``value`` as compact JSON, its numbers as they were."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        members = (f"{_quoted(name)}:{written_out(own)}" for name, own in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(written_out, value))}]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Half a character, which JSON can escape, can't be stored in any other form."""
    return encode_basestring_ascii(text) if HALVES.search(text) else encode_basestring(text)


def compact(text: str) -> str:
    """Return JSON on one line: as it was, or without the blanks between its parts."""
    if "\n" not in text:
        return text
    return BETWEEN_TOKENS.sub(lambda found: found[1] or "", text)
