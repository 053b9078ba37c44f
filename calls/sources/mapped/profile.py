"""A profile: which column of a file is what, as data that people may write, keep and exchange.

`Profile.from_json` takes what was parsed from JSON, and refuses what it does not understand with
the name of the field. ``as_json`` gives the same back, without what has its usual value.

======================  ============================================================================
key                     value
======================  ============================================================================
name, label, version    for people
source                  what its columns and words follow: a document, or the code of an export
recognise               ``columns`` that a file must have, ``values``: column to regular expression
columns                 the names of the columns, in order, of files without a header
call_id                 ``columns``: one is the ID, several are hashed, none hashes the whole
                        record; ``prefix``
group                   ``column`` with the ID of the call that a record is a leg of
usage_type              ``column`` and ``words``: usage type to the words for it; ``otherwise``
status                  the same, and ``by``: ``talk`` or ``connected_at`` where no word tells
started_at              ``columns`` (one, or date and time), ``form``, ``zone`` (a name, "" for that
connected_at            of the import, or ``{"column": …}``), ``precision`` (``minute`` where the
ended_at, revised_at    times have no seconds: then talk time decides), ``otherwise`` (columns
                        that tell it where those are empty)
total, talk, waiting    ``column``, ``unit``, ``decimal`` (the decimal mark): from start to end,
                        from connect to end, from start to connect
agent, remarks          columns, whose values are joined
from, to                columns, of which the first that is not empty counts
customer, own           the same, of files that do not tell who called whom: of the other party and
                        of the account; the usage type tells which of them is ``from``
set                     constants for agent, from, to, remarks
ignore                  columns that are dropped before anything is stored
skip                    ``column`` and ``values`` of records that are no calls for billing
======================  ============================================================================

Words are compared without case; ``*`` at the end of one is any ending.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from billing.plans.rating import UsageType
from billing.refusals import Refusal
from billing.zones import is_known
from calls.models import Status

FORMS: Final = (
    "iso",
    "ymd",
    "dmy",
    "mdy",
    "rfc2822",
    "epoch_s",
    "epoch_ms",
    "epoch_us",
    "epoch_ns",
    "excel",
    "gregorian_s",
)
UNITS: Final = ("s", "ms", "us", "min", "h:m:s", "m:s", "words", "iso8601")
PRECISIONS: Final = ("", "minute")
DECIMAL_MARKS: Final = (".", ",")
TOLD_BY: Final = ("", "talk", "connected_at")
VERSION: Final = 1
COLUMNS_MAX: Final = 1_000
TEXT_MAX: Final = 500  # of any single text in a profile

CONSTANTS: Final = ("agent", "from", "to", "remarks")

Words = tuple[tuple[str, tuple[str, ...]], ...]  # each of our words with theirs


class ProfileError(Refusal):
    """A profile can't be used; ``field`` is the path of what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Recognise:
    """How to tell that a file is of this kind: names of columns, and patterns of their values."""

    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, data: object) -> "Recognise":
        """Raises ProfileError."""
        own = _object("recognise", data, ("columns", "values"))
        values = []
        for column, pattern in _object("recognise.values", own.get("values", {}), None).items():
            path = f"recognise.values.{column}"
            try:
                re.compile(_text(path, pattern))
            except re.error as error:
                raise ProfileError(
                    f"This is no regular expression ({error}).", field=path
                ) from None
            values.append((column, pattern))
        return cls(_texts("recognise.columns", own.get("columns", [])), tuple(values))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return _without_empty({"columns": list(self.columns), "values": dict(self.values)})


@dataclass(frozen=True, slots=True)
class Identity:
    """Where the call ID comes from; ``prefix`` is put before it."""

    columns: tuple[str, ...] = ()
    prefix: str = ""

    @classmethod
    def from_json(cls, data: object) -> "Identity":
        """Raises ProfileError."""
        own = _object("call_id", data, ("columns", "prefix"))
        return cls(
            _texts("call_id.columns", own.get("columns", [])),
            _text("call_id.prefix", own.get("prefix", "")),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return _without_empty({"columns": list(self.columns), "prefix": self.prefix})


@dataclass(frozen=True, slots=True)
class Choice:
    """Words of a file for one of ours.

    Where several ``columns`` are named, the first that is not empty counts. ``otherwise`` is ours
    for any word that is not known, and where there is none; empty: reject such a record. ``by``
    (of a status) tells an answered call where no word does.
    """

    columns: tuple[str, ...] = ()
    words: Words = ()
    otherwise: str = ""
    by: str = ""

    @classmethod
    def from_json(cls, path: str, data: object, known: Iterable[str]) -> "Choice":
        """Take ``column`` (a name or several) and words for the ``known``. Raises ProfileError."""
        known = tuple(known)
        own = _object(path, data, ("column", "words", "otherwise", "by"))
        words = []
        for ours, theirs in _object(f"{path}.words", own.get("words", {}), None).items():
            _one_of(f"{path}.words", ours, known)
            words.append((ours, _texts(f"{path}.words.{ours}", theirs)))
        choice = cls(
            columns=_texts(f"{path}.column", own.get("column", [])),
            words=tuple(words),
            otherwise=_one_of(f"{path}.otherwise", own.get("otherwise", ""), ("", *known)),
            by=_one_of(f"{path}.by", own.get("by", ""), TOLD_BY if path == "status" else ("",)),
        )
        if not (choice.columns or choice.otherwise or choice.by):
            raise ProfileError(f"Say which column tells the {path}, or what all are.", field=path)
        if choice.columns and not (choice.words or choice.otherwise or choice.by):
            raise ProfileError("Say what the words of the column mean.", field=f"{path}.words")
        return choice

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return _without_empty(
            {
                "column": self.columns[0] if len(self.columns) == 1 else list(self.columns),
                "words": {ours: list(theirs) for ours, theirs in self.words},
                "otherwise": self.otherwise,
                "by": self.by,
            }
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: its columns, how it is written, and where on earth.

    ``zone`` is the name of a time zone, "" for that of the import; ``zone_column`` names a column
    that has it. An offset in the value goes before both.
    """

    columns: tuple[str, ...]
    form: str = "iso"
    zone: str = ""
    zone_column: str = ""
    precision: str = ""
    otherwise: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Its columns and that of its zone."""
        return (*self.columns, self.zone_column) if self.zone_column else self.columns

    @classmethod
    def from_json(cls, path: str, data: object) -> "Moment":
        """Raises ProfileError."""
        own = _object(path, data, ("columns", "form", "zone", "precision", "otherwise"))
        columns = _texts(f"{path}.columns", own.get("columns", []))
        if not columns:
            raise ProfileError("Name the column of the time, or of date and time.", field=path)
        zone, zone_column = own.get("zone", ""), ""
        if isinstance(zone, Mapping):
            named = _object(f"{path}.zone", zone, ("column",))
            zone, zone_column = "", _text(f"{path}.zone.column", named.get("column"))
        zone = _text(f"{path}.zone", zone)
        if zone and not is_known(zone):
            raise ProfileError(
                "There is no such time zone; write it like Asia/Kolkata.", field=f"{path}.zone"
            )
        return cls(
            columns=columns,
            form=_one_of(f"{path}.form", own.get("form", "iso"), FORMS),
            zone=zone,
            zone_column=zone_column,
            precision=_one_of(f"{path}.precision", own.get("precision", ""), PRECISIONS),
            otherwise=_texts(f"{path}.otherwise", own.get("otherwise", [])),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        zone = {"column": self.zone_column} if self.zone_column else self.zone
        return _without_empty(
            {
                "columns": list(self.columns),
                "form": self.form,
                "zone": zone,
                "precision": self.precision,
                "otherwise": list(self.otherwise),
            }
        )


@dataclass(frozen=True, slots=True)
class Amount:
    """A length of time: its column, its unit, and the mark before its decimals."""

    column: str
    unit: str = "s"
    decimal: str = "."

    @classmethod
    def from_json(cls, path: str, data: object) -> "Amount":
        """Raises ProfileError."""
        own = _object(path, data, ("column", "unit", "decimal"))
        column = _text(f"{path}.column", own.get("column", ""))
        if not column:
            raise ProfileError("Name its column.", field=f"{path}.column")
        return cls(
            column=column,
            unit=_one_of(f"{path}.unit", own.get("unit", "s"), UNITS),
            decimal=_one_of(f"{path}.decimal", own.get("decimal", "."), DECIMAL_MARKS),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        data = {"column": self.column, "unit": self.unit}
        return data if self.decimal == "." else {**data, "decimal": self.decimal}


@dataclass(frozen=True, slots=True)
class Skip:
    """Records that are no calls for billing: those with one of ``values`` in ``column``."""

    column: str
    values: tuple[str, ...]

    @classmethod
    def from_json(cls, path: str, data: object) -> "Skip":
        """Raises ProfileError."""
        own = _object(path, data, ("column", "values"))
        return cls(
            _text(f"{path}.column", own.get("column")), _texts(f"{path}.values", own.get("values"))
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return {"column": self.column, "values": list(self.values)}


OUTBOUND = Choice(otherwise=UsageType.OUTBOUND.value)
COMPLETED = Choice(otherwise=Status.COMPLETED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Which column of a file is what. The JSON's ``from``, ``to`` and ``set`` have longer names."""

    name: str = ""
    label: str = ""
    source: str = ""
    version: int = VERSION
    recognise: Recognise = Recognise()
    columns: tuple[str, ...] = ()
    call_id: Identity = Identity()
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
        )

    @classmethod
    def from_json(cls, data: object) -> "Profile":
        """Make a profile of parsed JSON. Raises ProfileError naming the field."""
        own = _object("", data, KEYS)
        version = own.get("version", VERSION)
        if version != VERSION:
            raise ProfileError(f"Only version {VERSION} is known here.", field="version")
        skip = own.get("skip", [])
        if not isinstance(skip, list | tuple):
            raise ProfileError("This must be a list.", field="skip")
        group = _object("group", own.get("group", {}), ("column",))
        constants = _object("set", own.get("set", {}), CONSTANTS)
        return cls(
            name=_text("name", own.get("name", "")),
            label=_text("label", own.get("label", "")),
            source=_text("source", own.get("source", "")),
            recognise=Recognise.from_json(own.get("recognise", {})),
            columns=_texts("columns", own.get("columns", [])),
            call_id=Identity.from_json(own.get("call_id", {})),
            group=_text("group.column", group.get("column", "")),
            usage_type=_choice("usage_type", own, (one.value for one in UsageType), OUTBOUND),
            status=_choice("status", own, (one.value for one in Status), COMPLETED),
            started_at=_moment("started_at", own),
            connected_at=_moment("connected_at", own),
            ended_at=_moment("ended_at", own),
            revised_at=_moment("revised_at", own),
            total=_amount("total", own),
            talk=_amount("talk", own),
            waiting=_amount("waiting", own),
            agent=_texts("agent", own.get("agent", [])),
            from_number=_texts("from", own.get("from", [])),
            to_number=_texts("to", own.get("to", [])),
            customer=_texts("customer", own.get("customer", [])),
            own=_texts("own", own.get("own", [])),
            remarks=_texts("remarks", own.get("remarks", [])),
            constants=tuple((name, _text(f"set.{name}", text)) for name, text in constants.items()),
            ignore=_texts("ignore", own.get("ignore", [])),
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
        return _without_empty(data)


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


def _object(path: str, data: object, known: Iterable[str] | None) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ProfileError("This must be an object of JSON: {…}.", field=path)
    for key in data:
        inner = f"{path}.{key}".lstrip(".")
        if not isinstance(key, str):
            raise ProfileError("A name must be a text.", field=inner)
        if known is not None and key not in known:
            raise ProfileError(
                f"“{key[:40]}” is not known here; known are: {', '.join(known)}.", field=inner
            )
    return data


def _text(path: str, data: object) -> str:
    if not isinstance(data, str):
        raise ProfileError("This must be a text.", field=path)
    if len(data) > TEXT_MAX:
        raise ProfileError(f"This is longer than {TEXT_MAX} characters.", field=path)
    return data


def _texts(path: str, data: object) -> tuple[str, ...]:
    """Take a list of texts, or a single one in place of a list with one."""
    if isinstance(data, str):
        data = [data] if data else []
    if not isinstance(data, list | tuple):
        raise ProfileError("This must be a list of texts.", field=path)
    if len(data) > COLUMNS_MAX:
        raise ProfileError(f"These are more than {COLUMNS_MAX:,}.", field=path)
    return tuple(_text(path, one) for one in data)


def _one_of(path: str, data: object, known: Iterable[str]) -> str:
    known = tuple(known)
    text = _text(path, data)
    if text not in known:
        allowed = ", ".join(one for one in known if one)
        raise ProfileError(f"“{text[:40]}” is not known; it is one of: {allowed}.", field=path)
    return text


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in ("", None, [], {})}
