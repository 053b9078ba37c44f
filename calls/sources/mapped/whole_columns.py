"""What only the whole of a column can tell: read once, in memory that does not grow with the file.

The first records may hold neither a day above 12 nor each word that a column uses.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from calls.notations import RawRecord
from calls.notations.nothing import NOTHING, unquoted
from calls.notations.totals import says_total
from calls.sources.mapped.columns import has_seconds
from calls.sources.mapped.date_order import DateOrder

Record: TypeAlias = RawRecord[Mapping[str, str]] | RawRecord[list[str]]

WORDS_MAX: Final = 500  # distinct ones of a column; whoever has more has no words there


class WholeColumns:
    """Collects what the records say in some of their ``columns``.

    ``dates`` are the columns in which day or month may come first, ``words`` those with words,
    ``times`` those that may be cut to minutes.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        dates: Iterable[str],
        words: Iterable[str],
        times: Iterable[str],
    ) -> None:
        self._places = {title: place for place, title in enumerate(columns)}
        self.orders = {title: DateOrder() for title in dates}
        self._words: dict[str, dict[str, None]] = {title: {} for title in words}
        self._empty: set[str] = set()
        self._times = tuple(times)
        self.has_seconds = False  # whether any of the times has seconds that are not zero
        self.records = 0

    def read(self, records: Iterable[Record]) -> None:
        """Take all ``records``: rows in the order of the columns, or texts by their names.

        Totals are none.
        """
        for record in records:
            values = record.values
            if not values:
                continue
            if isinstance(values, list):
                if says_total(values):
                    continue
                self.records += 1
                if len(values) >= len(self._places):
                    self._add(record.number, {}, values)
            else:
                self.records += 1
                self._add(record.number, values, ())

    def _add(self, number: int, named: Mapping[str, str], row: Sequence[str]) -> None:
        def text_of(title: str) -> str:
            return row[self._places[title]] if row else named.get(title, "")

        for title, order in self.orders.items():
            order.add(number, text_of(title).strip())
        for title, known in self._words.items():
            text = text_of(title)
            if text in known:
                continue
            if unquoted(text.strip()) in NOTHING:
                self._empty.add(title)
            elif len(known) < WORDS_MAX:
                known[text] = None
        if not self.has_seconds:
            self.has_seconds = any(has_seconds(text_of(title)) for title in self._times)

    def words(self, title: str) -> list[str]:
        """The words of a column, each once, in the order in which they come."""
        return list(dict.fromkeys(text.strip() for text in self._words[title]))

    def has_empty(self, title: str) -> bool:
        """Whether a column of words is empty in some records."""
        return title in self._empty
