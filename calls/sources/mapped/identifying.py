"""IDs of calls: from one column, or made of what stands in several, or in the whole record.

A made ID is of the raw text, never of what a mapping reads in it: with another mapping the same
file has the same IDs, and charges nothing twice. Nor does it depend on the order of the columns.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from calls.notations.nothing import NOTHING, whole_digits
from calls.records import Rejected

MADE: Final = "row-"
DIGITS: Final = 32
_LOST: Final = re.compile(r"[0-9][.,][0-9]+E\+[0-9]{1,2}")


def made_id(values: Iterable[tuple[str, str]]) -> str:
    """Return an ID made of the names of columns and their raw ``values``.

    Empty ones are left out: a column that a later export adds changes no ID until it says
    something.
    """
    text = "\x1e".join(f"{name}\x1f{value}" for name, value in sorted(values) if value)
    digits = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    return f"{MADE}{digits[:DIGITS]}"


def told_id(text: str) -> str:
    """Return the ID that a column tells, as it is; empty where it stands for nothing."""
    return "" if text.strip() in NOTHING else text


def check_told_id(text: str) -> None:
    """Raise Rejected where a spreadsheet has taken digits away: other calls may have it too."""
    if "E+" in text and _LOST.fullmatch(text) and whole_digits(text) is None:
        raise Rejected("call_id", "lost its last digits in a spreadsheet; export it again as text.")


def numbered(call_id: str, occurrence: int) -> str:
    """Return the ID of one of several equal records: ``…#2`` for the second."""
    return call_id if occurrence == 1 else f"{call_id}#{occurrence}"
