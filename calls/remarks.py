"""What is said about a charge and about a correction, in words. Pure text, no rules.

The words of the log (`of_charge`, `of_correction`) are stored with the ledger entry and never
change afterwards.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from billing.models.ledger import REMARKS_LENGTH_MAX
from billing.plans.rating import MICROSECONDS_PER_SECOND, Charge, Tariff, UsageType
from billing.texts import in_credits
from calls.models import Call, Status
from calls.records import CallRecord

NAMES = {
    UsageType.OUTBOUND: "Outbound call",
    UsageType.INBOUND: "Inbound call",
    UsageType.TRANSLATION: "Translation",
}
STATUS_WORDS = {status: str(status.label).lower() for status in Status}


def seconds(microseconds: int) -> str:
    """Exact seconds: ``65 s``, ``30.001 s``, ``3,600 s``."""
    whole, rest = divmod(microseconds, MICROSECONDS_PER_SECOND)
    if not rest:
        return f"{whole:,} s"
    return f"{whole:,}.{rest:06d}".rstrip("0") + " s"


def of_charge(record: CallRecord, tariff: Tariff, charge: Charge) -> str:
    """Why a call cost what it cost: ``Outbound call, 65 s billed as 3 × 30 s``."""
    if charge.increments:
        said = (
            f"{NAMES[record.usage_type]}, {seconds(charge.billable_us)} billed as "
            f"{charge.increments:,} × {tariff.increment_seconds:,} s"
        )
    else:
        said = f"{NAMES[record.usage_type]}, {STATUS_WORDS[record.status]}"
    return _fitted(f"{said} · {record.remarks}" if record.remarks else said)


def in_full(call: Call) -> str:
    """The arithmetic of a charge: "65 s, billed as 3 × 30 s at 1 credit = 3 credits, plan …"."""
    if call.status != Status.COMPLETED:
        return f"{call.get_status_display()}: the call was never connected, so it cost nothing."
    return (
        f"{seconds(int(call.billable_seconds * MICROSECONDS_PER_SECOND))}, billed as "
        f"{call.increments:,} × {call.increment_seconds:,} s at "
        f"{in_credits(call.credits_per_increment)} = {in_credits(call.credits)}, "
        f"plan {call.plan_name}"
    )


def of_correction(
    *,
    before: CallRecord,
    after: CallRecord,
    billable_us: tuple[int, int],
    credits: tuple[int, int],
    zone: ZoneInfo,
) -> str:
    """What a correction changed; pairs are (before, after), times are shown in ``zone``.

    ``Correction: 65 s → 125 s, 3 → 5 credits``. It begins with what changed, since a log shows
    little of it; which call it is, the entry's ``call_id`` says.
    """
    changes = []
    if before.status != after.status:
        changes.append(f"{STATUS_WORDS[before.status]} → {STATUS_WORDS[after.status]}")
    if before.usage_type != after.usage_type:
        changes.append(f"{before.usage_type} → {after.usage_type}")
    if before.started_at != after.started_at:
        changes.append(_moved("started", before.started_at, after.started_at, zone))
    if billable_us[0] != billable_us[1]:
        changes.append(f"{seconds(billable_us[0])} → {seconds(billable_us[1])}")
    elif (before.status, before.started_at) == (after.status, after.started_at):
        # Moments that make no difference to the billable time are told only for themselves.
        if before.connected_at != after.connected_at:
            changes.append(_moved("answered", before.connected_at, after.connected_at, zone))
        if before.ended_at != after.ended_at:
            changes.append(_moved("ended", before.ended_at, after.ended_at, zone))
    for name, old, new in (
        ("agent", before.agent, after.agent),
        ("from", before.from_number, after.from_number),
        ("to", before.to_number, after.to_number),
        ("remarks", before.remarks, after.remarks),
    ):
        if old != new:
            changes.append(f"{name} {old or '(none)'} → {new or '(none)'}")
    if credits[0] == credits[1]:
        cost = f"{in_credits(credits[1])} as before"
    else:
        cost = f"{credits[0]:,} → {in_credits(credits[1])}"
    said = "Correction: "
    room = REMARKS_LENGTH_MAX - len(f"{said}, {cost}")
    return f"{said}{_fitted(', '.join(changes), room)}, {cost}"


def _moved(name: str, old: datetime | None, new: datetime | None, zone: ZoneInfo) -> str:
    return f"{name} {_moment(old, zone)} → {_moment(new, zone)}"


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    if at is None:
        return "(none)"
    local = at.astimezone(zone)
    fraction = f"{local:.%f}".rstrip("0") if local.microsecond else ""
    return f"{local:%-d %b %Y, %H:%M:%S}{fraction}"


def _fitted(text: str, length_max: int = REMARKS_LENGTH_MAX) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"
