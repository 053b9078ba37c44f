"""Recording what a body brings: one record, or up to 1,000, with an outcome for each."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from api.problems import at_pointer, pointer_to
from api.v1.calls.reading import call_id_of, read_record
from calls import reporters
from calls.charging import Outcome, Result, record_calls
from calls.records import CallRecord, Note, Rejected

RECORDS_MAX = 1_000


def record_body(body: object, *, account_id: int, now: datetime) -> dict[str, Any]:
    """Record what ``body`` brings, and return what the answer says. One transaction.

    Raises Problem where the body as a whole can't be used; a record that can't is rejected by
    itself.
    """
    is_list = isinstance(body, list)
    raw: Sequence[object] = body if isinstance(body, list) else [body]
    if not is_list and not isinstance(body, dict):
        raise at_pointer("", "Send one call record, an object, or a list of them.")
    if not raw:
        raise at_pointer("", "The list is empty. Send at least one call record.")
    if len(raw) > RECORDS_MAX:
        raise at_pointer("", f"{len(raw):,} records are too many. Send at most {RECORDS_MAX:,}.")
    outcomes: list[Outcome | None] = [None] * len(raw)
    records: list[CallRecord] = []
    places: list[int] = []
    for place, one in enumerate(raw):
        try:
            record = read_record(one, account_id=account_id, now=now)
        except Rejected as rejected:
            outcomes[place] = Outcome(Result.REJECTED, field=rejected.field, reason=rejected.reason)
        else:
            records.append(record)
            places.append(place)
    recorded = record_calls(records=records, now=now, reporter=reporters.API)
    for place, outcome in zip(places, recorded, strict=True):
        outcomes[place] = outcome
    results = [
        _result(one, outcome, place if is_list else None)
        for place, (one, outcome) in enumerate(zip(raw, outcomes, strict=True))
        if outcome is not None
    ]
    counts = Counter(result["outcome"] for result in results)
    return {
        "results": results,
        "counts": {result.value: counts[result.value] for result in Result},
        "credits": sum(result["credits"] for result in results),
    }


def _result(raw: object, outcome: Outcome, place: int | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "call_id": call_id_of(raw),
        "outcome": outcome.result.value,
        "linked_to": outcome.linked_to or None,
        "credits": outcome.credits,
        "field": None,
        "reason": None,
        "pointer": None,
        "notes": [_note(note) for note in outcome.notes],
    }
    if outcome.result is Result.REJECTED:
        result["field"] = outcome.field or None
        result["reason"] = outcome.reason
        result["pointer"] = _pointer(raw, outcome.field, place)
    return result


def _pointer(raw: object, field: str, place: int | None) -> str:
    """Where in the body the fault is: at the field, or at the record where it has no such field."""
    steps: list[str | int] = [] if place is None else [place]
    if isinstance(raw, dict) and field in raw:
        steps.append(field)
    return pointer_to(*steps)


def _note(note: Note) -> dict[str, str]:
    return {"field": note.field, "said": note.said}
