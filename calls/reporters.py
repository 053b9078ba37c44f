"""Who reports calls, and whose word counts where several do. Pure but for `Order.read`.

A reporter is written as a short text with each call and report:

- ``source:12``: the connected source with this id (`calls.models.CallSource`)
- ``api``: a program, by the REST API
- ``file:twilio``: a file in the notation of this system
- nothing: a file that does not tell what system it is of, such as our own CSV

Rule: "How credits are consumed", 9. An account's sources have an order of their own; the API comes
after them, file imports last. Among files those of agent platforms come before those of carriers
and switches: what the agent used is charged.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from billing.bulk import among
from calls.models import CallSource

FILES: Final = ""
API: Final = "api"
_FILE: Final = "file:"
_SOURCE: Final = "source:"

# Through which door a record came. All files are one: of two files that tell the same call ID the
# later one corrects the other, whatever their notation.
DOOR_OF_FILES: Final = "file"

# Notations of carriers and switches: they know the line, not how long the agent was on it.
_CARRIERS: Final = frozenset(
    {"3cx", "asterisk", "didww", "exotel", "freeswitch", "kazoo", "plivo", "ringcentral"}
    | {"sinch", "telnyx", "twilio", "zoom"}
)

Rank: TypeAlias = tuple[int, int, str]  # the lowest counts


def of_source(source_id: int) -> str:
    """The reporter that a connected source is."""
    return f"{_SOURCE}{source_id}"


def of_file(notation: str) -> str:
    """The reporter that files in this notation are; all notations of a platform are one."""
    return f"{_FILE}{notation.partition('-')[0]}" if notation else FILES


def door(reporter: str) -> str:
    """Through which door the ``reporter`` comes: `DOOR_OF_FILES`, the API, or a source."""
    return DOOR_OF_FILES if is_file(reporter) else reporter


def is_file(reporter: str) -> bool:
    """Whether the reporter is a file import."""
    return reporter == FILES or reporter.startswith(_FILE)


def source_id_of(reporter: str) -> int | None:
    """The id of the connected source that a reporter is; None where it is none."""
    return int(reporter.removeprefix(_SOURCE)) if reporter.startswith(_SOURCE) else None


def notation_of(reporter: str) -> str:
    """The notation of the files that a reporter is; empty where it tells none, or is no file."""
    return reporter.removeprefix(_FILE) if reporter.startswith(_FILE) else ""


class Order(NamedTuple):
    """The order of the sources of some accounts: the position of each by its id, 1 the highest."""

    positions: Mapping[int, int]

    @classmethod
    def read(cls, account_ids: Collection[int]) -> "Order":
        """Read the order of the accounts' sources, deleted ones too: they told calls as well."""
        sources = CallSource.objects.filter(account_id__in=among(account_ids))
        return cls(dict(sources.order_by().values_list("pk", "position")))

    def rank(self, reporter: str) -> Rank:
        """What to sort reporters of one account by, the one that counts first."""
        source_id = source_id_of(reporter)
        if source_id is not None:
            return 0, self.positions.get(source_id, 1_000_000 + source_id), reporter
        if reporter == API:
            return 1, 0, reporter
        return 2, int(notation_of(reporter) in _CARRIERS), reporter


def rank_sql(reporter: str, source_id: str, position: str) -> str:
    """`Order.rank` in SQL: what to order rows by, given the columns of the source's row, which are
    null where the reporter is none."""
    carriers = ", ".join(f"'{_FILE}{notation}'" for notation in sorted(_CARRIERS))
    return (
        f"CASE WHEN starts_with({reporter}, '{_SOURCE}') THEN 0"
        f" WHEN {reporter} = '{API}' THEN 1 ELSE 2 END,"
        f" CASE WHEN starts_with({reporter}, '{_SOURCE}')"
        f" THEN coalesce({position}, 1000000 + {source_id})"
        f" WHEN {reporter} IN ({carriers}) THEN 1 ELSE 0 END,"
        f' {reporter} COLLATE "C"'
    )
