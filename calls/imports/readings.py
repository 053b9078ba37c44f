"""How the file of an import is read: its format, layout, mapping, time zone, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from billing.models import Account
from billing.refusals import Refusal
from billing.zones import place_names
from calls.imports import machine
from calls.models import FileImport, ImportState
from calls.notations import BadFileError
from calls.notations.layout import Layout
from calls.sources import Source
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import MappedSource
from calls.sources.registry import SOURCES

MAPPED = "mapped"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read.

    ``format`` is the name of a source (`calls.sources.registry`), or MAPPED with a ``profile``, in
    the form in which it is stored. ``options`` are those of the source. ``zone`` is the IANA name
    of that of times without an offset. With ``revise`` the file is the last word about its calls.
    """

    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    profile: Mapping[str, Any] | None = None
    zone: str = ""
    revise: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "format": self.format,
            "options": dict(self.options),
            "layout": self.layout.as_json(),
            "profile": None if self.profile is None else dict(self.profile),
            "zone": self.zone,
            "revise": self.revise,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Reading":
        """Return the reading that `as_json` stored. Raises Refusal where it is none."""
        try:
            layout = Layout.from_json(stored.get("layout", {}))
        except BadFileError as error:
            raise Refusal(str(error), field="layout") from None
        return cls(
            format=str(stored.get("format", "")),
            options=stored.get("options", {}),
            layout=layout,
            profile=stored.get("profile"),
            zone=str(stored.get("zone", "")),
            revise=stored.get("revise") is True,
        )


def reading_of(file_import: FileImport) -> Reading | None:
    """How the file of an import is read; None before it is known."""
    return Reading.from_json(file_import.reading) if file_import.reading else None


def require_not_begun(file_import: FileImport) -> None:
    """Raise Refusal where the file can't be read another way any more."""
    is_failed_trial = file_import.interrupted_state == ImportState.TRYING
    if file_import.state != ImportState.FAILED or not is_failed_trial:
        states = (ImportState.READY, ImportState.TRIED, ImportState.REFUSED)
        machine.require(file_import, *states, to="be read another way")
    require_file(file_import)


def choose(*, file_import: FileImport, reading: Reading, now: datetime) -> FileImport:
    """Read the file so from now on; what was tried with another reading is forgotten.

    Columns that nobody has named yet are no reason against it: they can be named afterwards. Raises
    Refusal, naming the part of the reading, where the file can't be read so, or where the import
    has begun.
    """
    if reading.format != MAPPED or reading.profile is not None:
        source_of(reading=reading, account=file_import.account, now=now)
    with transaction.atomic():
        found = machine.lock(file_import)
        require_not_begun(found)
        if found.reading == reading.as_json() and found.state in (
            ImportState.READY,
            ImportState.TRIED,
        ):
            return found
        return machine.move(
            found,
            ImportState.READY,
            now=now,
            reading=reading.as_json(),
            trial={},
            is_staged=False,
            staged_lines=0,
            bytes_read=0,
        )


def require_file(file_import: FileImport) -> None:
    """Raise Refusal where the file has been deleted."""
    if file_import.file_deleted_at is not None:
        raise Refusal("The file has been deleted. Upload it again.")


def source_of(*, reading: Reading, account: Account, now: datetime) -> Source[Any]:
    """Return the source that reads so, for one file. Raises Refusal."""
    source = _source_of(reading, account, now)
    source.encoding_is_guessed = reading.layout.encoding_is_guessed
    return source


def _source_of(reading: Reading, account: Account, now: datetime) -> Source[Any]:
    zone = reading.zone or account.time_zone
    if zone not in place_names():
        raise Refusal("There is no such time zone; use a name like Asia/Kolkata.", field="zone")
    if reading.format == MAPPED:
        return _mapped(reading, account, ZoneInfo(zone), now)
    found = SOURCES.get(reading.format)
    if found is None:
        raise Refusal("Choose the format of the file.", field="format")
    known = {option.name for option in found.options}
    for name in reading.options:
        if name not in known:
            raise Refusal(f"{found.label} has no such option.", field=name)
    own: dict[str, Any] = {"layout": reading.layout, **reading.options}
    return found(account_id=account.pk, zone=ZoneInfo(zone), now=now, **own)


def _mapped(reading: Reading, account: Account, zone: ZoneInfo, now: datetime) -> MappedSource:
    if reading.profile is None:
        raise Refusal("Say which column of the file is what.", field="profile")
    try:
        return MappedSource(
            account_id=account.pk,
            zone=zone,
            now=now,
            profile=Profile.from_json(reading.profile),
            layout=reading.layout,
        )
    except BadFileError as error:
        raise Refusal(str(error), field="profile") from None
