"""A call record in JSON, as `calls.records.validate` takes it. The rules are there, none is here.

| field | needed | value |
|---|---|---|
| call_id, usage_type, status, started_at | yes | as in the columns of our own CSV |
| connected_at, ended_at | of completed calls | times of RFC 3339, with a time zone |
| agent, from, to, remarks | no | texts |
| carrier_id | no | the carrier's own ID of the call, by which another report of it is found |
| revised_at | no | when this record was last changed |
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing.texts import storable
from calls.notations.clock import read_time
from calls.records import CallRecord, Instant, Rejected, validate

TIMES = ("started_at", "connected_at", "ended_at", "revised_at")
# By field: the argument of `validate`.
TEXTS = {
    "call_id": "call_id",
    "usage_type": "usage_type",
    "status": "status",
    "agent": "agent",
    "from": "from_number",
    "to": "to_number",
    "remarks": "remarks",
    "carrier_id": "carrier_id",
}
FIELDS = frozenset((*TIMES, *TEXTS))

NO_OBJECT = "is no JSON object."


def read_record(raw: object, *, account_id: int, now: datetime) -> CallRecord:
    """Return the record that ``raw`` is. Raises Rejected."""
    if not isinstance(raw, Mapping):
        raise Rejected("", NO_OBJECT)
    if not FIELDS.issuperset(raw):
        name = next(name for name in raw if name not in FIELDS)
        raise Rejected(storable(name), f"is no field of a record. Known: {', '.join(_KNOWN)}.")
    facts: dict[str, Any] = {}
    for field, argument in TEXTS.items():
        value = raw.get(field)
        if value is None:
            value = ""
        elif not isinstance(value, str):
            raise Rejected(field, "must be a text in quotation marks.")
        facts[argument] = value
    for field in TIMES:
        facts[field] = _instant(field, raw.get(field))
    return validate(account_id=account_id, now=now, **facts)


_KNOWN = (*TEXTS, *TIMES)


def _instant(field: str, value: object) -> Instant | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Rejected(field, "must be a text like “2026-11-23T14:05:09Z”.")
    try:
        return read_time(field, value)
    except Rejected:
        said = storable(value[:40])
        raise Rejected(
            field, f"is “{said}”, no time; write it like 2026-11-23T14:05:09Z."
        ) from None


def call_id_of(raw: object) -> str:
    """The call ID that a record names, to be told to its sender; empty where it names none."""
    named = raw.get("call_id") if isinstance(raw, Mapping) else None
    return storable(named) if isinstance(named, str) else ""
