"""The parts of a profile: words, times, lengths, and where an ID comes from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from billing.zones import is_known
from calls.sources.mapped.checking import (
    ProfileError,
    object_of,
    one_of,
    text_of,
    texts_of,
    without_empty,
)

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
UNITS: Final = ("s", "ms", "us", "min", "h:m:s", "m:s", "h:m", "words", "iso8601")
PRECISIONS: Final = ("", "minute")
DECIMAL_MARKS: Final = (".", ",")
TOLD_BY: Final = ("", "talk", "total", "connected_at")
VERSION: Final = 1

CONSTANTS: Final = ("agent", "from", "to", "remarks")

Words = tuple[tuple[str, tuple[str, ...]], ...]  # each of our words with theirs


@dataclass(frozen=True, slots=True)
class Recognise:
    """How to tell that a file is of this kind: names of columns, and patterns of their values."""

    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_json(cls, data: object) -> "Recognise":
        """Raises ProfileError."""
        own = object_of("recognise", data, ("columns", "values"))
        values = []
        for column, pattern in object_of("recognise.values", own.get("values", {}), None).items():
            path = f"recognise.values.{column}"
            try:
                re.compile(text_of(path, pattern))
            except (re.error, OverflowError, RecursionError) as error:
                raise ProfileError(
                    f"This is no regular expression ({error}).", field=path
                ) from None
            values.append((column, pattern))
        return cls(texts_of("recognise.columns", own.get("columns", [])), tuple(values))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return without_empty({"columns": list(self.columns), "values": dict(self.values)})


@dataclass(frozen=True, slots=True)
class Identity:
    """Where the call ID comes from; ``prefix`` is put before it."""

    columns: tuple[str, ...] = ()
    prefix: str = ""

    @classmethod
    def from_json(cls, data: object) -> "Identity":
        """Raises ProfileError."""
        own = object_of("call_id", data, ("columns", "prefix"))
        return cls(
            texts_of("call_id.columns", own.get("columns", [])),
            text_of("call_id.prefix", own.get("prefix", "")),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return without_empty({"columns": list(self.columns), "prefix": self.prefix})


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
        own = object_of(path, data, ("column", "words", "otherwise", "by"))
        words = []
        for ours, theirs in object_of(f"{path}.words", own.get("words", {}), None).items():
            one_of(f"{path}.words", ours, known)
            words.append((ours, texts_of(f"{path}.words.{ours}", theirs)))
        choice = cls(
            columns=texts_of(f"{path}.column", own.get("column", [])),
            words=tuple(words),
            otherwise=one_of(f"{path}.otherwise", own.get("otherwise", ""), ("", *known)),
            by=one_of(f"{path}.by", own.get("by", ""), TOLD_BY if path == "status" else ("",)),
        )
        if not (choice.columns or choice.otherwise or choice.by):
            raise ProfileError(f"Say which column tells the {path}, or what all are.", field=path)
        if choice.columns and not (choice.words or choice.otherwise or choice.by):
            raise ProfileError("Say what the words of the column mean.", field=f"{path}.words")
        return choice

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return without_empty(
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
        own = object_of(path, data, ("columns", "form", "zone", "precision", "otherwise"))
        columns = texts_of(f"{path}.columns", own.get("columns", []))
        if not columns:
            raise ProfileError("Name the column of the time, or of date and time.", field=path)
        zone, zone_column = own.get("zone", ""), ""
        if isinstance(zone, Mapping):
            named = object_of(f"{path}.zone", zone, ("column",))
            zone, zone_column = "", text_of(f"{path}.zone.column", named.get("column"))
        zone = text_of(f"{path}.zone", zone)
        if zone and not is_known(zone):
            raise ProfileError(
                "There is no such time zone; write it like Asia/Kolkata.", field=f"{path}.zone"
            )
        return cls(
            columns=columns,
            form=one_of(f"{path}.form", own.get("form", "iso"), FORMS),
            zone=zone,
            zone_column=zone_column,
            precision=one_of(f"{path}.precision", own.get("precision", ""), PRECISIONS),
            otherwise=texts_of(f"{path}.otherwise", own.get("otherwise", [])),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        zone = {"column": self.zone_column} if self.zone_column else self.zone
        return without_empty(
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
        own = object_of(path, data, ("column", "unit", "decimal"))
        column = text_of(f"{path}.column", own.get("column", ""))
        if not column:
            raise ProfileError("Name its column.", field=f"{path}.column")
        return cls(
            column=column,
            unit=one_of(f"{path}.unit", own.get("unit", "s"), UNITS),
            decimal=one_of(f"{path}.decimal", own.get("decimal", "."), DECIMAL_MARKS),
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
        own = object_of(path, data, ("column", "values"))
        return cls(
            text_of(f"{path}.column", own.get("column")),
            texts_of(f"{path}.values", own.get("values")),
        )

    def as_json(self) -> dict[str, Any]:
        """What from_json takes."""
        return {"column": self.column, "values": list(self.values)}
