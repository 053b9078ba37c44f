"""The columns of a file as people choose among them: each with what stands in it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

SAMPLES_SHOWN = 2
SAMPLE_LENGTH_MAX = 40
# With more different words, a column tells no direction and no outcome.
WORD_LENGTH_MAX = 60


class Columns:
    """The columns of a file, in its order, with the values of its first records."""

    def __init__(self, names: Sequence[str], sample: Iterable[Mapping[str, str]]) -> None:
        self.names = tuple(names)
        self._alike = {_alike(name): name for name in reversed(self.names)}
        self._sample = list(sample)

    @cached_property
    def offered(self) -> list[tuple[str, str]]:
        """Each column with words for it: its name, and the first values that stand in it."""
        return [(name, self._in_words(name)) for name in self.names]

    def own_name(self, name: str) -> str:
        """The name as this file writes it: another one may differ in case and blanks."""
        return name if name in self.names else self._alike.get(_alike(name), name)

    def words_of(self, column: str) -> list[str]:
        """The different values of a column, the most frequent first; none for no column."""
        counted: dict[str, int] = {}
        for values in self._sample:
            word = values.get(column, "").strip()
            if word and len(word) <= WORD_LENGTH_MAX:
                counted[word] = counted.get(word, 0) + 1
        return sorted(counted, key=lambda word: -counted[word])

    def _in_words(self, name: str) -> str:
        shown = f"Column {name}" if name.isdecimal() else name
        values = dict.fromkeys(values.get(name, "").strip() for values in self._sample)
        examples = [value for value in values if value][:SAMPLES_SHOWN]
        if not examples:
            return f"{shown} (empty)"
        said = ", ".join(examples)
        if len(said) > SAMPLE_LENGTH_MAX:
            said = said[: SAMPLE_LENGTH_MAX - 1] + "…"
        return f"{shown} · {said}"


def _alike(name: str) -> str:
    return "".join(name.casefold().split())
