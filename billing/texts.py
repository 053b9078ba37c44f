"""Texts for people: credits in words, and what no text that is stored may contain. No Django."""

import re
from unicodedata import bidirectional, category, normalize

from billing.refusals import Refusal

# Control characters break logs and exports, NUL and lone surrogates can't be stored. Invisible
# joiners stay: names in many scripts need them.
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """Return ``text`` with a replacement character for each that can't be stored."""
    return UNSTORABLE.sub(REPLACEMENT, text)


# Characters that turn the direction of what follows them. They show nothing themselves.
_TURNS = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def apart(text: str) -> str:
    """Return what somebody wrote so that it turns nothing around it when it stands in a sentence.

    Where it is written from right to left it stands between marks that isolate it; signs by which
    it would turn the rest of the sentence go.
    """
    if text.isascii():
        return text
    text = text.translate(_TURNS)
    if _RIGHT_TO_LEFT.isdisjoint(map(bidirectional, text)):
        return text
    return f"\u2068{text}\u2069"


# A spreadsheet takes a text that begins with one of these for a formula, and would run it; some
# also take other forms of them (full-width, small), and look past what can't be seen.
FORMULA_STARTS = frozenset("=+-@\t\r\n")
# Letters and signs that show nothing: Hangul fillers, the blank of Braille. What else is ignored
# by default (Unicode's DerivedCoreProperties) is a mark or not printable.
BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may run ``text``."""
    for character in text:
        if character in FORMULA_STARTS or normalize("NFKC", character)[0] in FORMULA_STARTS:
            return True
        if not _may_be_unseen(character):
            return False
    return False


def _may_be_unseen(character: str) -> bool:
    """Whether ``character`` may show nothing at the beginning of a text, as marks do there."""
    is_mark = category(character).startswith("M")
    is_blank = character.isspace() or character in BLANK_LETTERS
    return is_mark or is_blank or not character.isprintable()


# A spreadsheet takes these for numbers: it drops zeros at both ends, and all digits but fifteen.
NUMBER = re.compile(r"\s*[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s*", re.ASCII)


def is_respelt(text: str) -> bool:
    """Whether a spreadsheet may run ``text``, or show it as another one.

    So is one that is marked already, or reading it back would take its own mark for ours.
    """
    text = text.lstrip("'")
    return is_formula(text) or NUMBER.fullmatch(text) is not None


def sheet_text(text: str) -> str:
    """``text`` so that a spreadsheet shows it as it is and does not run it."""
    return f"'{text}" if is_respelt(text) else text


def from_sheet_text(text: str) -> str:
    """What `sheet_text` made a text of."""
    return text[1:] if text.startswith("'") and is_respelt(text[1:]) else text


def in_a_sentence(label: str) -> str:
    """A label as it stands within a sentence: "Auth token" as "auth token", "API key" as it is."""
    return label if label[1:2].isupper() else f"{label[:1].lower()}{label[1:]}"


MINUS = "−"


def grouped(number: int) -> str:
    """1234567 as "1,234,567", -5 as "−5"."""
    return f"{number:,}".replace("-", MINUS)


def in_credits(number: int) -> str:
    """The number with the word: "1 credit", "12,480 credits"."""
    return f"{grouped(number)} credit{'' if number == 1 else 's'}"


class ReasonError(Refusal):
    """Nobody could read this reason."""


def readable_reason(reason: str) -> str:
    """The ``reason`` that an operator gives and an account reads, on one line.

    Raises ReasonError where it is empty to the eye, or can't be stored.
    """
    reason = " ".join(reason.split())
    if not any(character.isprintable() for character in reason):
        raise ReasonError("Say why: the account sees it.", field="reason")
    if UNSTORABLE.search(reason):
        raise ReasonError("This has a control character; remove it.", field="reason")
    return reason
