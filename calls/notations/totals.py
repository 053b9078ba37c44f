"""Rows of totals, as people and programs write them below a table: they are no records.

Which columns are an ID or a time is not known here: whoever knows tells more such rows apart.
"""

import re
from collections.abc import Sequence
from typing import Final

TOTAL: Final = re.compile(
    r"(?:grand |sub-?)?total[ei]?s?(?:\s*[:(\d].*)?|sums?:?|summ[ae]:?|gesamt(?:summe)?:?|suma:?"
    r"|somme:?|totaal:?|razem:?|celkem:?|toplam:?|ukupno:?|итого:?|всего:?|合計|合计|总计|總計",
    re.IGNORECASE,
)
# A number, an amount, a share or a length of time.
AMOUNT: Final = re.compile(
    r"[-+]?[0-9][0-9.,' \u00a0\u202f]*%?|[0-9]+(?::[0-9]{2}){1,2}(?:[.,][0-9]+)?"
)
COUNTED: Final = re.compile(r"[0-9][0-9.,' \u00a0\u202f]* ?[^\W\d_]{1,20}")  # "60 calls"
WORDS_MAX: Final = 2  # among the first values that are not empty: the word, perhaps behind a name


def says_total(row: Sequence[str]) -> bool:
    """Whether a row says that it holds totals, and but for that holds only numbers and lengths.

    A number may have a word behind it, as in "60 calls".
    """
    filled = [value for value in map(str.strip, row) if value]
    if not any(map(TOTAL.fullmatch, filled[:WORDS_MAX])):
        return False
    return all(
        TOTAL.fullmatch(value) or AMOUNT.fullmatch(value) or COUNTED.fullmatch(value)
        for value in filled
    )


def holds_totals(row: Sequence[str], told: Sequence[int]) -> bool:
    """Whether a row may hold totals by what it leaves out, though no word says so.

    ``told`` are the places of what each record tells by words, numbers and times: nothing stands
    there, or that it is a total. Elsewhere stand numbers, at least one.
    """
    tells = set(told)
    has_numbers = False
    for place, value in enumerate(map(str.strip, row)):
        if not value or TOTAL.fullmatch(value):
            continue
        if place in tells or not AMOUNT.fullmatch(value):
            return False
        has_numbers = True
    return has_numbers
