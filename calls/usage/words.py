"""What is said about an entry of the ledger, and about the charge of a call.

Entries store facts; words are made from them whenever an entry is shown: in the log, on the page of
a row or a call, in the file, and to operators. Only remarks are words already, which a person typed
or a record brought: they come last and are never shortened. Nothing reads any of this back.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from django.db.models import Q

from billing.ledger import references
from billing.models import CreditGrant, GrantSource, Kind, TopUp
from billing.plans.rating import MICROSECONDS_PER_SECOND, UsageType
from billing.texts import apart, in_credits
from calls.models import Call, Status
from calls.usage.entries import Entry

NAMES = {
    UsageType.OUTBOUND.value: "Outbound call",
    UsageType.INBOUND.value: "Inbound call",
    UsageType.TRANSLATION.value: "Translation",
}
# How an agent spoke with a number, and what is said where either is not known.
_TOWARDS = {
    UsageType.OUTBOUND.value: ("to", "Outbound"),
    UsageType.INBOUND.value: ("from", "Inbound"),
    UsageType.TRANSLATION.value: ("with", "Translation"),
}
STATUS_WORDS = {status.value: status.label.lower() for status in Status}
HISTORY = "before your subscription began, not charged"
NONE = "(none)"


class Expired(NamedTuple):
    """Of which credits an expiry is: where they came from, and how many they were at first."""

    source: str
    credits: int


# By account and the number of the entry that opened the grant.
ExpiredGrants: TypeAlias = Mapping[tuple[int, int], Expired]


def expired_grants(entries: Iterable[Entry]) -> ExpiredGrants:
    """Read the grants that the expiries among ``entries`` are of: one query, or none."""
    wanted: dict[int, set[int]] = {}
    for entry in entries:
        if entry.kind == Kind.EXPIRY and entry.paid_by is not None:
            wanted.setdefault(entry.account_id, set()).add(entry.paid_by)
    if not wanted:
        return {}
    of_any = Q()
    for account_id, seqs in wanted.items():
        of_any |= Q(account=account_id, seq__in=seqs)
    grants = CreditGrant.objects.filter(of_any).order_by()
    return {
        (account_id, seq): Expired(source, credits)
        for account_id, seq, source, credits in grants.values_list(
            "account_id", "seq", "source", "credits"
        )
    }


def of_entry(entry: Entry, *, grants: ExpiredGrants, zone: tzinfo) -> str:
    """Say why the credits of ``entry`` moved, dates and times in ``zone``.

    ``grants`` are the `expired_grants` of the entries that are shown with it.
    """
    if entry.kind == Kind.CALL:  # nearly always: the cheapest question comes first
        said = _with_remarks(_of_charge(entry), entry)
        return f"Withdrawn. {said}" if entry.is_withdrawn else said
    match entry.kind:
        case Kind.CORRECTION:
            said = _of_correction(entry, zone)
            return f"Withdrawn. {said}" if entry.is_withdrawn else said
        case Kind.WITHDRAWAL:
            return _with_remarks(_of_withdrawal(entry, zone), entry)
        case Kind.TOP_UP:
            return _of_top_up(entry)
        case Kind.PLAN_CREDITS:
            return _of_plan_credits(entry, zone)
        case Kind.EXPIRY:
            return _of_expiry(entry, grants)
        case Kind.REFUND:
            return _of_refund(entry)
    return entry.remarks  # of an adjustment


def in_full(call: Call, *, zone: tzinfo) -> str:
    """Say the arithmetic of a charge: "65 s, billed as 3 × 30 s at 1 credit = 3 credits, plan …".

    A connected call that cost nothing is history, or is withdrawn; then the day, in ``zone``.
    """
    if call.withdrawn_at is not None:
        return f"Withdrawn on {call.withdrawn_at.astimezone(zone):%-d %b %Y}: it costs nothing."
    if call.status != Status.COMPLETED:
        return f"{call.get_status_display()}: the call was never connected, so it cost nothing."
    time = seconds(int(call.billable_seconds * MICROSECONDS_PER_SECOND))
    increments = (
        f"{call.increments:,} × {call.increment_seconds:,} s at "
        f"{in_credits(call.credits_per_increment)} = "
        f"{in_credits(call.increments * call.credits_per_increment)}, plan {call.plan_name}"
    )
    if call.credits:
        return f"{time}, billed as {increments}"
    return f"{time}, {HISTORY}. It would have been {increments}."


def seconds(microseconds: int) -> str:
    """Return exact seconds: "65 s", "30.001 s", "3,600 s"."""
    whole, rest = divmod(microseconds, MICROSECONDS_PER_SECOND)
    if not rest:
        return f"{whole:,} s"
    return f"{whole:,}.{rest:06d}".rstrip("0") + " s"


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────
def _of_charge(entry: Entry) -> str:
    """Which call it was and why it cost what it cost: "Asha to +9198…, 65 s, 3 × 30 s"."""
    if not entry.billed_seconds:
        return f"{_who(entry)}, {STATUS_WORDS[entry.call_status]}"
    charge = _rounded_up(
        entry.billable_us,
        abs(entry.billed_seconds),  # a withdrawal takes them off
        entry.increment_seconds,
        is_charged=entry.credits != 0,  # a connected call costs something, unless it is history
    )
    return f"{_who(entry)}, {charge}"


def _who(entry: Entry) -> str:
    """Who spoke with whom, what people know a call by: "Asha to +9198…", "Outbound call"."""
    towards, direction = _TOWARDS[entry.usage_type]
    if entry.agent and entry.other_number:
        who = f"{apart(entry.agent)} {towards} {apart(entry.other_number)}"
        return who if entry.usage_type != UsageType.TRANSLATION else f"{who}, translation"
    if entry.agent:
        return f"{apart(entry.agent)}, {direction.lower()}"
    if entry.other_number:
        return f"{direction} {towards} {apart(entry.other_number)}"
    return NAMES[entry.usage_type]


# A file has many calls of the same whole seconds.
@lru_cache(maxsize=4_096)
def _rounded_up(
    billable_us: int, billed_seconds: int, increment_seconds: int, *, is_charged: bool
) -> str:
    increments = f"{billed_seconds // increment_seconds:,} × {increment_seconds:,} s"
    charge = f"{seconds(billable_us)}, {increments}"
    return charge if is_charged else f"{charge}, {HISTORY}"


def _of_correction(entry: Entry, zone: tzinfo) -> str:
    """What a correction changed: "Correction: 65 s → 125 s, 3 → 5 credits".

    It begins with what changed, since a log shows little of it.
    """
    changes = json.loads(entry.changes or "{}")
    said = f"Correction: {', '.join([*_changed(changes, zone), _cost(changes, entry)])}"
    return said if "remarks" in changes else _with_remarks(said, entry)


def _of_withdrawal(entry: Entry, zone: tzinfo) -> str:
    """What was undone: "Withdrawal: Asha to +9198…, 65 s, 3 × 30 s"."""
    if entry.changes is not None:
        changes = json.loads(entry.changes)
        said = ", ".join([*_changed(changes, zone), _cost(changes, entry)])
        return f"Withdrawal of a correction: {said}"
    if not references.is_of_withdrawn_charge(entry.reference):
        return "Withdrawal of a correction, with its call"
    return f"Withdrawal: {_of_charge(entry)}"


def _changed(changes: Mapping[str, list[Any]], zone: tzinfo) -> list[str]:
    """What changed, all but the credits.

    When a call was answered and ended goes without saying where its status, start or billable time
    changed.
    """
    implied: set[str] = set()
    if changes.keys() & {"billable_us", "status", "started_at"}:
        implied = {"connected_at", "ended_at"}
    return [
        say(changes[name][0], changes[name][1], zone)
        for name, say in _CHANGES.items()
        if name in changes and name not in implied
    ]


def _cost(changes: Mapping[str, list[Any]], entry: Entry) -> str:
    before, after = changes["credits"]
    cost = (
        f"{in_credits(after)} as before" if before == after else f"{before:,} → {in_credits(after)}"
    )
    # The withdrawal of a correction has the status that this brought: what it becomes is told.
    _, status = changes.get("status", ("", entry.call_status))
    is_history = status == Status.COMPLETED and not after
    return f"{cost}, {HISTORY}" if is_history else cost


# Says one change, given the value before and after.
Say: TypeAlias = Callable[[Any, Any, tzinfo], str]


def _moved(name: str) -> Say:
    def say(before: str | None, after: str | None, zone: tzinfo) -> str:
        return f"{name} {_moment(before, zone)} → {_moment(after, zone)}"

    return say


def _renamed(name: str) -> Say:
    def say(before: str, after: str, zone: tzinfo) -> str:
        return f"{name} {apart(before) or NONE} → {apart(after) or NONE}"

    return say


def _of_number(name: str) -> Say:
    renamed = _renamed(name)

    def say(before: str | None, after: str | None, zone: tzinfo) -> str:
        if before is None or after is None:
            return f"{name} another number, deleted since"
        return renamed(before, after, zone)

    return say


def _of_status(before: str, after: str, zone: tzinfo) -> str:
    return f"{STATUS_WORDS[before]} → {STATUS_WORDS[after]}"


def _of_usage_type(before: str, after: str, zone: tzinfo) -> str:
    return f"{before} → {after}"


def _of_time(before: int, after: int, zone: tzinfo) -> str:
    return f"{seconds(before)} → {seconds(after)}"


def _moment(at: str | None, zone: tzinfo) -> str:
    if at is None:
        return NONE
    local = datetime.fromisoformat(at).astimezone(zone)
    fraction = f"{local:.%f}".rstrip("0") if local.microsecond else ""
    return f"{local:%-d %b %Y, %H:%M:%S}{fraction}"


_CHANGES: dict[str, Say] = {
    "status": _of_status,
    "usage_type": _of_usage_type,
    "started_at": _moved("started"),
    "billable_us": _of_time,
    "connected_at": _moved("answered"),
    "ended_at": _moved("ended"),
    "plan_name": _renamed("plan"),
    "agent": _renamed("agent"),
    "from_number": _of_number("from"),
    "to_number": _of_number("to"),
    "remarks": _renamed("remarks"),
}


# ── Everything else ───────────────────────────────────────────────────────────────────────────
def _of_top_up(entry: Entry) -> str:
    receipt_number = TopUp(pk=entry.top_up_id).receipt_number
    if entry.reference == references.of_top_up(entry.top_up_id or 0):
        return f"Top-up of {in_credits(entry.credits)}, receipt {receipt_number}"
    return f"Credits of top-up {receipt_number} returned with its payment"


def _of_refund(entry: Entry) -> str:
    said = f"Credits of top-up {TopUp(pk=entry.top_up_id).receipt_number} taken back"
    return f"{said}: {apart(entry.remarks)}" if entry.remarks else said


def _of_plan_credits(entry: Entry, zone: tzinfo) -> str:
    began_on = f"{entry.occurred_at.astimezone(zone):%-d %b %Y}"
    return f"{entry.plan_name}: {in_credits(entry.credits)} of the cycle that began on {began_on}"


def _of_expiry(entry: Entry, grants: ExpiredGrants) -> str:
    assert entry.paid_by is not None
    grant = grants[entry.account_id, entry.paid_by]
    source = GrantSource(grant.source).label
    if entry.credits > 0:
        return f"{source}: {in_credits(entry.credits)} used before they expired"
    return f"{source}: {-entry.credits:,} of {grant.credits:,} credits were not used and expired"


def _with_remarks(said: str, entry: Entry) -> str:
    return f"{said} · {apart(entry.remarks)}" if entry.remarks else said
