"""A profile: which column of a file is what, as data that people may write, keep and exchange.

`Profile.from_json` takes what was parsed from JSON, and refuses what it does not understand with
the name of the field. ``as_json`` gives the same back, without what has its usual value.

======================  ============================================================================
key                     value
======================  ============================================================================
name, label, version    for people
source                  what its columns and words follow: a document, or the code of an export
recognise               ``columns`` that a file must have, ``values``: column to regular expression
                        (only of profiles that come with the product)
columns                 the names of the columns, in order, of files without a header
call_id                 ``columns``: one is the ID, several are hashed, none hashes the whole
                        record; ``prefix``
group                   ``column`` with the ID of the call that a record is a leg of
usage_type              ``column`` and ``words``: usage type to the words for it; ``otherwise``
status                  the same, and ``by``: ``talk``, ``total`` (longer than 0) or
                        ``connected_at`` where no word tells
started_at              ``columns`` (one, or date and time), ``form``, ``zone`` (a name, "" for that
connected_at            of the import, or ``{"column": …}``), ``precision`` (``minute`` where the
ended_at, revised_at    times have no seconds: then talk time decides), ``otherwise`` (columns
                        of which the first that is not empty tells it where those are)
total, talk, waiting    ``column``, ``unit``, ``decimal`` (the decimal mark): from start to end,
                        from connect to end, from start to connect
agent, remarks          columns, whose values are joined
from, to                columns, of which the first that is not empty counts
customer, own           the same, of files that do not tell who called whom: of the other party and
                        of the account; the usage type tells which of them is ``from``
carrier_id              columns, of which the first that is not empty tells the carrier's own ID of
                        the call; of a carrier's own records, the column of the call ID
set                     constants for agent, from, to, remarks
ignore                  columns that are dropped before anything is stored
skip                    ``column`` and ``values`` of records that are no calls for billing
======================  ============================================================================

Words are compared without case; ``*`` at the end of one is any ending.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from billing.plans.rating import UsageType
from calls.models import Status
from calls.sources.mapped.checking import (
    ProfileError,
    object_of,
    text_of,
    texts_of,
    without_empty,
)
from calls.sources.mapped.profile_parts import (
    CONSTANTS,
    FORMS,
    UNITS,
    VERSION,
    Amount,
    Choice,
    Identity,
    Moment,
    Recognise,
    Skip,
    Words,
)

__all__ = [
    "FORMS",
    "UNITS",
    "Amount",
    "Choice",
    "Identity",
    "Moment",
    "Profile",
    "ProfileError",
    "Recognise",
    "Skip",
    "Words",
]

ANY_FILE: Final = Recognise()
WHOLE_RECORD: Final = Identity()
OUTBOUND = Choice(otherwise=UsageType.OUTBOUND.value)
COMPLETED = Choice(otherwise=Status.COMPLETED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which column of a file is what. The JSON's ``from``, ``to`` and ``set`` have longer names."""

    name: str = ""
    label: str = ""
    source: str = ""
    version: int = VERSION
    recognise: Recognise = ANY_FILE
    columns: tuple[str, ...] = ()
    call_id: Identity = WHOLE_RECORD
    group: str = ""
    usage_type: Choice = OUTBOUND
    status: Choice = COMPLETED
    started_at: Moment | None = None
    connected_at: Moment | None = None
    ended_at: Moment | None = None
    revised_at: Moment | None = None
    total: Amount | None = None
    talk: Amount | None = None
    waiting: Amount | None = None
    agent: tuple[str, ...] = ()
    from_number: tuple[str, ...] = ()
    to_number: tuple[str, ...] = ()
    customer: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    carrier_id: tuple[str, ...] = ()
    constants: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()
    skip: tuple[Skip, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raises ProfileError where the parts do not go together."""
        if not (self.started_at or self.connected_at or self.ended_at):
            raise ProfileError("Say which column tells when a call started.", field="started_at")
        if self.group and len(self.call_id.columns) != 1:
            raise ProfileError(
                "Legs can only be joined where one column has the ID of each.", field="group"
            )
        if self.status.by == "talk" and self.talk is None:
            raise ProfileError(
                "Name the column of the talk time: it tells who answered.", field="talk"
            )
        if self.status.by == "total" and self.total is None:
            raise ProfileError(
                "Name the column of the duration: it tells who answered.", field="total"
            )
        if self.status.by == "connected_at" and self.connected_at is None:
            raise ProfileError(
                "Name the column of the answer: it tells who answered.", field="connected_at"
            )
        for needed in self.needed_columns:
            if needed in self.ignore:
                raise ProfileError(f"“{needed}” is used, so it can't be ignored.", field="ignore")

    @property
    def essential_columns(self) -> tuple[str, ...]:
        """The columns without which a record would be another call, or of another length."""
        moments = (self.started_at, self.connected_at, self.ended_at)
        amounts = (self.total, self.talk, self.waiting)
        return _each_once(
            *self.call_id.columns,
            self.group,
            *self.usage_type.columns,
            *self.status.columns,
            *(name for moment in moments if moment for name in moment.all_columns),
            *(amount.column for amount in amounts if amount),
            *(skip.column for skip in self.skip),
        )

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """All the columns that it reads, each once."""
        return _each_once(
            *self.essential_columns,
            *(self.revised_at.all_columns if self.revised_at else ()),
            *(
                name
                for moment in (self.started_at, self.connected_at, self.ended_at)
                if moment
                for name in moment.otherwise
            ),
            *self.agent,
            *self.from_number,
            *self.to_number,
            *self.customer,
            *self.own,
            *self.remarks,
            *self.carrier_id,
        )

    def without_patterns(self) -> "Profile":
        """The profile as it may be kept for an account: recognised by the names of columns alone.

        A regular expression can run for hours, so none is run that does not come with the product.
        """
        return replace(self, recognise=Recognise(self.recognise.columns))

    @classmethod
    def from_json(cls, data: object) -> "Profile":
        """Make a profile of parsed JSON. Raises ProfileError naming the field."""
        own = object_of("", data, KEYS)
        version = own.get("version", VERSION)
        if version != VERSION:
            raise ProfileError(f"Only version {VERSION} is known here.", field="version")
        skip = own.get("skip", [])
        if not isinstance(skip, list | tuple):
            raise ProfileError("This must be a list.", field="skip")
        group = object_of("group", own.get("group", {}), ("column",))
        constants = object_of("set", own.get("set", {}), CONSTANTS)
        return cls(
            name=text_of("name", own.get("name", "")),
            label=text_of("label", own.get("label", "")),
            source=text_of("source", own.get("source", "")),
            recognise=Recognise.from_json(own.get("recognise", {})),
            columns=texts_of("columns", own.get("columns", [])),
            call_id=Identity.from_json(own.get("call_id", {})),
            group=text_of("group.column", group.get("column", "")),
            usage_type=_choice("usage_type", own, (one.value for one in UsageType), OUTBOUND),
            status=_choice("status", own, (one.value for one in Status), COMPLETED),
            started_at=_moment("started_at", own),
            connected_at=_moment("connected_at", own),
            ended_at=_moment("ended_at", own),
            revised_at=_moment("revised_at", own),
            total=_amount("total", own),
            talk=_amount("talk", own),
            waiting=_amount("waiting", own),
            agent=texts_of("agent", own.get("agent", [])),
            from_number=texts_of("from", own.get("from", [])),
            to_number=texts_of("to", own.get("to", [])),
            customer=texts_of("customer", own.get("customer", [])),
            own=texts_of("own", own.get("own", [])),
            remarks=texts_of("remarks", own.get("remarks", [])),
            carrier_id=texts_of("carrier_id", own.get("carrier_id", [])),
            constants=tuple(
                (name, text_of(f"set.{name}", text)) for name, text in constants.items()
            ),
            ignore=texts_of("ignore", own.get("ignore", [])),
            skip=tuple(Skip.from_json(f"skip.{place}", one) for place, one in enumerate(skip, 1)),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes, in the order of the table above, without what is not set."""
        data: dict[str, Any] = {}
        for key, name in NAMES.items():
            value = getattr(self, name)
            if name == "group":
                value = value and {"column": value}
            elif name == "constants":
                value = dict(value)
            elif name == "skip":
                value = [one.as_json() for one in value]
            elif hasattr(value, "as_json"):
                value = value.as_json()
            elif isinstance(value, tuple):
                value = list(value)
            data[key] = value
        return without_empty(data)


# The key in JSON of each field.
_KEY_OF = {"from_number": "from", "to_number": "to", "constants": "set"}
NAMES: Final = {_KEY_OF.get(one.name, one.name): one.name for one in fields(Profile)}
KEYS: Final = tuple(NAMES)


def _each_once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, names)))


def _choice(path: str, data: Mapping[str, Any], known: Iterable[str], usual: Choice) -> Choice:
    return Choice.from_json(path, data[path], known) if data.get(path) else usual


def _moment(path: str, data: Mapping[str, Any]) -> Moment | None:
    return Moment.from_json(path, data[path]) if data.get(path) else None


def _amount(path: str, data: Mapping[str, Any]) -> Amount | None:
    return Amount.from_json(path, data[path]) if data.get(path) else None
