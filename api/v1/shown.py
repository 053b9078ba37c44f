"""How things are written in JSON: times in UTC, credits as whole numbers, money in minor units."""

from datetime import UTC, datetime
from typing import Any

from billing.models import Terms
from billing.plans.terms import TypicalCharge
from calls.models import Call
from calls.usage.bars import Bar
from calls.usage.call import CallPage
from calls.usage.log import LogRow
from calls.usage.payers import Paid
from calls.usage.periods import Period


def instant(at: datetime) -> str:
    """An instant in UTC: "2026-11-23T14:05:09.250000Z"."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant_or_none(at: datetime | None) -> str | None:
    """The same, where there may be none."""
    return None if at is None else instant(at)


def call(one: Call) -> dict[str, Any]:
    """A call with its charge."""
    return {
        "call_id": one.call_id,
        "usage_type": one.usage_type,
        "status": one.status,
        "started_at": instant(one.started_at),
        "connected_at": instant_or_none(one.connected_at),
        "ended_at": instant_or_none(one.ended_at),
        "agent": one.agent,
        "from": one.from_number,
        "to": one.to_number,
        "remarks": one.remarks,
        "carrier_id": one.carrier_id,
        "revised_at": instant_or_none(one.revised_at),
        "recorded_at": instant(one.recorded_at),
        "withdrawn_at": instant_or_none(one.withdrawn_at),
        "corrections": one.corrections,
        "charge": {
            "credits": one.credits,
            "plan": one.plan_name,
            "increment_seconds": one.increment_seconds,
            "credits_per_increment": one.credits_per_increment,
            "billable_seconds": f"{one.billable_seconds:f}",
            "billed_seconds": one.billed_seconds,
            "increments": one.increments,
            "is_history": one.is_history,
        },
    }


def call_in_full(page: CallPage) -> dict[str, Any]:
    """A call with the words about its charge, its entries and who paid it."""
    assert page.call is not None
    return {
        **call(page.call),
        "explanation": page.charge_words,
        "paid_by": [payment(paid) for paid in page.paid if paid.grant_seq is not None],
        "not_paid": sum(paid.credits for paid in page.paid if paid.grant_seq is None),
        "also_reported_by": [
            {
                "reporter": report.name,
                "call_id": report.call_id,
                "started_at": instant(report.started_at),
                "status": report.status,
            }
            for report in page.reports
        ],
        "entries": [entry(row) for row in page.rows],
    }


def payment(paid: Paid) -> dict[str, Any]:
    """What one grant paid."""
    assert paid.granted_at is not None
    return {
        "grant": paid.grant_seq,
        "source": paid.source,
        "granted_at": instant(paid.granted_at),
        "credits": paid.credits,
        "paid_late_at": instant_or_none(paid.paid_late_at),
    }


def entry(row: LogRow) -> dict[str, Any]:
    """A movement of credits, as the log has it."""
    return {
        "seq": row.seq,
        "kind": row.kind,
        "occurred_at": instant(row.occurred_at),
        "posted_at": instant(row.posted_at),
        "call_id": row.call_id or None,
        "usage_type": row.usage_type or None,
        "agent": row.agent,
        "billed_seconds": row.billed_seconds,
        "credits_used": row.credits_used,
        "credits_added": row.credits_added,
        "balance_after": row.balance_after,
        "remarks": row.words,
    }


def period(one: Period) -> dict[str, Any]:
    """Days, and the instants between which they lie."""
    return {
        "from": one.first_day.isoformat(),
        "to": one.last_day.isoformat(),
        "time_zone": one.zone.key,
        "starts_at": instant(one.starts_at),
        "ends_at": instant(one.ends_at),
    }


def day(bar: Bar) -> dict[str, Any]:
    """What was counted on one day."""
    return {
        "day": bar.first_day.isoformat(),
        "calls": bar.calls,
        "credits_used": bar.credits_used,
        "credits_used_by_type": bar.by_type,
        "credits_added": bar.credits_added - bar.credits_removed,
        "billed_seconds": bar.billed_seconds,
    }


def terms(one: Terms, currency: str) -> dict[str, Any]:
    """What a plan gives and costs."""
    return {
        "price_minor": one.price_in(currency),
        "currency": currency,
        "credits_per_cycle": one.credits_per_cycle,
        "increment_seconds": one.increment_seconds,
        "credits_per_increment": one.credits_per_increment,
        "concurrent_calls": one.concurrent_calls,
        "effective_from": instant(one.effective_from),
    }


def typical(charge: TypicalCharge) -> dict[str, Any]:
    """What a call of a typical length costs."""
    return {"length": charge.name, "credits": charge.charge.credits}
