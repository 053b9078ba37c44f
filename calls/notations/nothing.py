"""What systems write where there is nothing to say, and what spreadsheets do to texts."""

import re

from billing.texts import from_sheet_text

_WORDS = (
    "null",
    "(null)",
    "<null>",
    "\\n",
    "none",
    "nil",
    "nan",
    "nat",
    "n/a",
    "#n/a",
    "undefined",
    "(none)",
    "(empty)",
    "-",
    "--",
    "—",
    "–",
)
# By hash, in every case that occurs: asked for each value of a file.
NOTHING = frozenset({"", *(form for word in _WORDS for form in (word, word.upper(), word.title()))})

# A text that a spreadsheet was kept from taking for a number or a formula: '0091…, ="0091…"
_QUOTED = re.compile(r"=\s*\"(.*)\"|='(.*)'|='?(.*)|'(.*)", re.DOTALL)

_WHOLE_AS_DECIMAL = re.compile(r"(\+?[0-9]{5,})[.,]0+")
_EXPONENT = re.compile(r"([0-9])(?:[.,]([0-9]*))?[Ee]\+?([0-9]{1,2})")


def unquoted(text: str) -> str:
    """Return ``text`` without what keeps a spreadsheet from changing it."""
    if text[:1] in ("'", "="):
        found = _QUOTED.fullmatch(text)
        if found:
            return next(group for group in found.groups() if group is not None).strip()
    return text


def said(text: str) -> str:
    """Return ``text`` for people without blanks around it; empty where it stands for nothing."""
    text = text.strip()
    if text in NOTHING:
        return ""
    return from_sheet_text(text)


def whole_digits(text: str) -> str | None:
    """Return the digits of a number that a spreadsheet wrote as ``918287463433.0`` or with an E.

    Any other text comes back as it is. None where digits are lost, as in ``9.18287E+11``.
    """
    if found := _WHOLE_AS_DECIMAL.fullmatch(text):
        return found[1]
    if found := _EXPONENT.fullmatch(text):
        decimals, exponent = (found[2] or "").rstrip("0"), int(found[3])
        # Which of the zeros at its end are digits nobody knows.
        return f"{found[1]}{decimals}" if len(decimals) == exponent else None
    return text


def telephone_number(text: str) -> str | None:
    """Return a number or address as it was before a spreadsheet had it; None where it is lost."""
    text = text.strip()
    if text.removeprefix("+").isdigit():
        return text
    if text in NOTHING:
        return ""
    return whole_digits(unquoted(text))
