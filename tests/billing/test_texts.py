"""Texts that a spreadsheet would run or respell are shown by it, and come back as they were."""

import pytest

from billing.texts import from_sheet_text, sheet_text

FORMULAS = ["=1+1", "+91", "-1", "@sum", "\t=1", "＝1+1", "＋91", " =1", "\u200b=1"]
# Other forms of the four, and what shows nothing before them: fillers, marks, blanks.
FORMULAS += [*"﹦﹢﹣﹫＝＋－＠", "﹣1", "\u200b﹦1"]
UNSEEN = "\u3164\u115f\u1160\uffa0\u17b4\u17b5\u034f\ufe00\ufe0f\u180b\u2800\u00ad\U000e0100\u2065"
FORMULAS += [f"{character}=1" for character in UNSEEN]
FORMULAS += [f"{UNSEEN}＝1"]
NUMBERS = ["12345678901234567890", "007", "1732099500.10", "4e5", "1E-7", " 12", "1,5", "12"]
MARKED = ["'=1 said", "'12", "''007"]
PLAIN = [
    "",
    "Asha",
    "a=1",
    "1-2",
    "न=1",
    "\u200bAsha",
    "call-12",
    "1e",
    "'Asha",
    ".",
    "१२",
    "\u3164Asha",
    "é",
    "한=1",
]


@pytest.mark.parametrize("text", FORMULAS + NUMBERS + MARKED)
def test_what_may_be_run_or_respelt_is_marked_as_text(text):
    assert sheet_text(text) == f"'{text}"
    assert from_sheet_text(sheet_text(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text):
    assert sheet_text(text) == text
    assert from_sheet_text(text) == text
