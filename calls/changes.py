"""What a correction changed of a call, as its ledger entry keeps it. Facts only, no words."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from billing.plans.rating import Tariff, UsageType
from calls.models import Status
from calls.rated import RatedCall, rated
from calls.records import STORED

# Which call it is never changes; numbers are deleted without a correction.
NOT_COMPARED = ("account_id", "call_id", "numbers_deleted")
COMPARED = tuple(name for name in STORED if name not in NOT_COMPARED)
NUMBERS = ("from_number", "to_number")
TIMES = ("started_at", "connected_at", "ended_at", "revised_at")


def changes_between(before: RatedCall, after: RatedCall) -> str:
    """Return, as JSON, the value before and after of everything that differs, by name.

    Times are ISO 8601 in UTC, ``billable_us`` are microseconds. ``credits`` are always among them:
    what the call cost is said even where it costs the same. `undone` reads them back.
    """
    known, corrected = _values(before), _values(after)
    return json.dumps(
        {
            name: [known[name], corrected[name]]
            for name in known
            if name == "credits" or known[name] != corrected[name]
        },
        ensure_ascii=False,
    )


def reversed_changes(changes: Mapping[str, list[Any]]) -> str:
    """Return, as JSON, what undoing ``changes`` changes: before and after trade places."""
    return json.dumps({name: both[::-1] for name, both in changes.items()}, ensure_ascii=False)


def undone(call: RatedCall, changes: Mapping[str, list[Any]]) -> RatedCall:
    """``call`` as it was before ``changes``, with the charge that was frozen with it then.

    Numbers that were deleted stay so.
    """
    known = {name: value for name, (value, _) in changes.items()}
    facts = {name: known[name] for name in COMPARED if name in known}
    if call.record.numbers_deleted:
        facts = {name: value for name, value in facts.items() if name not in NUMBERS}
    for name in TIMES:
        if facts.get(name) is not None:
            facts[name] = datetime.fromisoformat(facts[name])
    record = call.record._replace(**facts)
    record = record._replace(usage_type=UsageType(record.usage_type), status=Status(record.status))
    tariff = Tariff(
        increment_seconds=known.get("increment_seconds", call.tariff.increment_seconds),
        credits_per_increment=known.get("credits_per_increment", call.tariff.credits_per_increment),
    )
    return rated(
        record,
        known.get("plan_name", call.plan_name),
        tariff,
        is_history=known.get("is_history", call.is_history),
    )


def _values(call: RatedCall) -> dict[str, Any]:
    values = {name: getattr(call.record, name) for name in COMPARED}
    return {
        **{
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        },
        "plan_name": call.plan_name,
        "increment_seconds": call.tariff.increment_seconds,
        "credits_per_increment": call.tariff.credits_per_increment,
        "is_history": call.is_history,
        "billable_us": call.charge.billable_us,
        "credits": call.charge.credits,
    }
