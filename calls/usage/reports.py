"""What other sources tell of a call."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from calls.models import Call, CallReport, CallSource, Status
from calls.reporters import API, notation_of, source_id_of
from calls.sources.registry import SOURCES, shipped_profiles


@dataclass(frozen=True, slots=True)
class Report:
    """What another reporter than the one that counts tells of a call, times in the account's zone.

    ``name`` is the reporter's, ``call_id`` the ID that it gives the call.
    """

    name: str
    call_id: str
    started_at: datetime
    lasted: timedelta | None
    status: str


def other_reports(call: Call) -> list[Report]:
    """The reports of ``call`` that do not count, in the order in which they came. Two queries."""
    linked = CallReport.objects.filter(account_id=call.account_id, linked_call_id=call.call_id)
    reports = [one for one in linked if one.reporter != call.reporter]
    names = names_of(one.reporter for one in reports)
    zone = call.account.zone
    return [
        Report(
            name=names[one.reporter],
            call_id=one.call_id,
            started_at=one.started_at.astimezone(zone),
            lasted=one.ended_at - (one.connected_at or one.started_at) if one.ended_at else None,
            status=Status(one.status).label,
        )
        for one in reports
    ]


def names_of(reporters: Iterable[str]) -> Mapping[str, str]:
    """What people call each of ``reporters``. One query where a connected source is among them."""
    every = set(reporters)
    ids = {source_id for one in every if (source_id := source_id_of(one)) is not None}
    sources = CallSource.objects.filter(pk__in=ids).values_list("pk", "name") if ids else ()
    names = dict(sources)
    return {one: _name_of(one, names) for one in every}


def _name_of(reporter: str, sources: Mapping[int, str]) -> str:
    source_id = source_id_of(reporter)
    if source_id is not None:
        return sources.get(source_id, "a source that is gone")
    if reporter == API:
        return "the API"
    notation = notation_of(reporter)
    return f"a file of {_system(notation)}" if notation else "a file"


def _system(notation: str) -> str:
    """The name of the system whose files are in ``notation``."""
    if notation in SOURCES:
        return SOURCES[notation].label
    labels = (
        profile.label for name, profile in shipped_profiles().items() if name.startswith(notation)
    )
    return next(labels, notation).partition(":")[0]
