"""Words of a file, looked up without case; one that ends in ``*`` stands for all with its start."""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from billing.texts import storable
from calls.notations.nothing import NOTHING

Meaning = TypeVar("Meaning")

REMEMBERED_MAX: Final = 10_000  # texts of a column, so that a column of anything takes no memory
NAMED_MAX: Final = 12


class WordTable(Generic[Meaning]):
    """What words mean. The longest beginning that fits goes before the others."""

    def __init__(self, words: Iterable[tuple[Meaning, Iterable[str]]]) -> None:
        self._whole: dict[str, Meaning] = {}
        self._beginnings: dict[str, Meaning] = {}
        self._known: list[str] = []
        for meaning, theirs in words:
            for word in theirs:
                self._known.append(word)
                word = word.strip().casefold()
                if word.endswith("*"):
                    self._beginnings.setdefault(word[:-1], meaning)
                else:
                    self._whole.setdefault(word, meaning)
        self._ordered = sorted(self._beginnings, key=len, reverse=True)
        self._remembered: dict[str, Meaning | None] = {}

    def meaning(self, text: str) -> Meaning | None:
        """What ``text`` means; None where it is not known."""
        try:
            return self._remembered[text]
        except KeyError:
            found = self._found(text.strip().casefold())
            if len(self._remembered) < REMEMBERED_MAX:
                self._remembered[text] = found
            return found

    def _found(self, word: str) -> Meaning | None:
        if word in self._whole:
            return self._whole[word]
        if word in NOTHING:
            return None
        for beginning in self._ordered:
            if word.startswith(beginning):
                return self._beginnings[beginning]
        return None

    def reason_against(self, text: str) -> str:
        """Why a record with ``text`` is rejected, with the words that are known."""
        known = ", ".join(f"“{word}”" for word in self._known[:NAMED_MAX])
        if len(self._known) > NAMED_MAX:
            known += f" and {len(self._known) - NAMED_MAX} more"
        known = f"known are: {known}." if known else "no word is known."
        text = text.strip()
        if text in NOTHING:
            return f"is empty; {known}"
        return f"is “{storable(text[:40])}”, which has no meaning yet; {known}"
