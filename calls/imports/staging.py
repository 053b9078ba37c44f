"""What stands between the two passes over a file: its lines, kept and given back call by call.

All lines about one call come together, however far apart they stand in the file, so that its last
line decides, and a second import finds nothing to change. A call takes the place of its last line.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from billing.texts import storable
from calls.notations import BadFileError

# All lines of one call are read together, so they must fit into memory together.
LINES_PER_CALL_MAX = 1_000


class StagedRecord(NamedTuple):
    """A raw record on its way in.

    ``call_id`` is None where it does not say its call. ``problem``: why it alone can't be read.
    """

    number: int
    call_id: str | None
    text: str
    problem: str = ""


class Staged(NamedTuple):
    """A record as it comes back: with the place of its call, and which of equal ones it is."""

    position: int
    number: int
    occurrence: int
    problem: str
    text: str


class Repeated(NamedTuple):
    """A call that stands on several lines."""

    call_id: str
    lines: int


class Staging(Protocol):
    """The lines of one file."""

    def add(self, records: Iterable[StagedRecord]) -> None:
        """Keep ``records``."""

    def find_repeated(self, *, are_calls: bool) -> Repeated | None:
        """Find the calls that stand on several lines; return the one that stands on most.

        With ``are_calls`` such lines are calls of their own, and are numbered. To be called once,
        after the last line was added and before `calls`.
        """

    def calls(self, *, after: int = -1) -> Iterator[list[Staged]]:
        """Give the records of each call together, in order, from position ``after`` on."""


def check_repeated(most: Repeated | None) -> None:
    """Raise BadFileError where a call stands on more lines than can be true."""
    if most is not None and most.lines > LINES_PER_CALL_MAX:
        raise BadFileError(
            f"The call ID “{storable(most.call_id[:60])}” stands on {most.lines:,} lines; more "
            f"than {LINES_PER_CALL_MAX:,} are taken for a mistake."
        )


def by_call(lines: Iterable[Staged]) -> Iterator[list[Staged]]:
    """Group ``lines``, which are in order of their position, by call."""
    for _, call in groupby(lines, key=attrgetter("position")):
        yield list(call)


def encoded(text: str) -> bytes:
    """``text`` as bytes: it may have lone surrogates, which stand for bytes that are no text."""
    return text.encode(errors="surrogatepass")


def decoded(stored: bytes) -> str:
    """The text that `encoded` stored."""
    return stored.decode(errors="surrogatepass")
