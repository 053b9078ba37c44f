"""What a correction changed of a call, as its ledger entry keeps it. Facts only, no words."""

import json
from datetime import datetime
from typing import Any

from calls.records import STORED
from calls.stored import RatedCall

# Which call it is never changes, and when its source last changed the record is no fact about it.
COMPARED = tuple(name for name in STORED if name not in ("account_id", "call_id", "revised_at"))


def changes_between(before: RatedCall, after: RatedCall) -> str:
    """Return, as JSON, the value before and after of everything that differs, by name.

    Times are ISO 8601 in UTC, ``billable_us`` are microseconds. ``credits`` are always among them:
    what the call cost is said even where it costs the same.
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


def _values(call: RatedCall) -> dict[str, Any]:
    values = {name: getattr(call.record, name) for name in COMPARED}
    return {
        **{
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in values.items()
        },
        "plan_name": call.plan_name,
        "billable_us": call.charge.billable_us,
        "credits": call.charge.credits,
    }
