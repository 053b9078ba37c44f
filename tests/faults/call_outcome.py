"""What must be true of calls when everything has settled."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Sum

from billing.models import Account, Balance, DailyUsage, LedgerEntry
from calls.models import Call, CallSource, EventState, InboxEvent, OpenEvent, PullState, Via
from tests.faults.callers import Accepted
from tests.faults.told_calls import Told, name_of

# What depends on who told a call first, and not on what is known in the end.
COMPARED = (
    "usage_type",
    "agent",
    "from_number",
    "to_number",
    "started_at",
    "connected_at",
    "ended_at",
    "status",
    "carrier_id",
    "billed_seconds",
    "credits",
)


def unsettled(account: Account, *, since: datetime) -> str:
    """What is still on its way, in words; empty when nothing is.

    The lists of all sources must have been asked ``since`` then.
    """
    events = InboxEvent.objects.filter(source__account=account)
    asked = CallSource.objects.filter(
        account=account, pull_state=PullState.FINE, last_pull_at__gte=since, pulled_until__gte=since
    )
    waiting = {
        "events not recorded": events.filter(open__state=EventState.WAITING).count(),
        "lists not asked": CallSource.objects.filter(account=account).count() - asked.count(),
    }
    return ", ".join(f"{count} {what}" for what, count in waiting.items() if count)


def ask_lists(*, now: datetime) -> None:
    """Let the time pass until the lists of all sources are asked again."""
    CallSource.objects.update(next_pull_at=now)


def violations(told: Told, accepted: Accepted, account: Account) -> Iterator[str]:
    """Everything that should not be: of calls that were accepted, and of what they cost."""
    yield from accepted.errors
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in Call.objects.filter(account=account).order_by("id"):
        calls[name_of(call)].append(call)
    for name in sorted(accepted.calls - calls.keys()):
        yield f"{name} was accepted and is not there"
    for name in sorted(calls.keys() - told.credits.keys()):
        yield f"{name} was told by nobody"
    posted = _posted(account)
    for name, own in sorted(calls.items()):
        standing = sum(call.withdrawn_at is None for call in own)
        if standing != (name not in accepted.withdrawn):
            yield f"{name} counts as {standing} calls"
        charged = sum(posted.pop(call.call_id, 0) for call in own)
        if name in told.credits and charged != told.credits[name]:
            yield f"{name} is charged {charged} credits and costs {told.credits[name]}"
    for call_id in posted:
        yield f"the ledger has entries of {call_id}, which is no call"
    failed = OpenEvent.objects.filter(source__account=account, state=EventState.FAILED)
    for one in failed.select_related("event"):
        yield f"event {one.pk} of {one.event.call_id} failed: {one.field} {one.reason}"


def differences(account: Account, undisturbed: Account) -> Iterator[str]:
    """Where the end differs from that of the account to which the same was told in peace."""
    for what, look in (("calls", _facts), ("days", _days), ("balance", _balance)):
        ours, theirs = look(account), look(undisturbed)
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                yield f"{what}: {name} is {ours.get(name)}, undisturbed {theirs.get(name)}"


def figures(told: Told, accepted: Accepted, account: Account) -> dict[str, str]:
    """What the run came to, in order."""
    calls = Call.objects.filter(account=account)
    events = InboxEvent.objects.filter(source__account=account)
    pulled = events.filter(via=Via.PULL).count()
    standing = calls.filter(withdrawn_at=None).count()
    return {
        "calls told": str(len(told.credits)),
        "accepted": str(len(accepted.calls)),
        "not accepted, found in the platforms' lists": str(len(told.credits) - len(accepted.calls)),
        "withdrawn": str(len(accepted.withdrawn)),
        "rows of calls / that count": f"{calls.count()} / {standing}",
        "events stored, sent / pulled": f"{events.count() - pulled} / {pulled}",
        "credits charged": str(sum(_posted(account).values())),
    }


def _posted(account: Account) -> dict[str, int]:
    """The credits that the ledger took for each call ID."""
    entries = LedgerEntry.objects.filter(account=account).exclude(call_id="").order_by()
    return {
        call_id: -credits
        for call_id, credits in entries.values_list("call_id").annotate(Sum("credits"))
    }


def _facts(account: Account) -> dict[Any, Any]:
    calls: dict[Any, Any] = defaultdict(list)
    for call in Call.objects.filter(account=account, withdrawn_at=None):
        calls[name_of(call)].append([getattr(call, name) for name in COMPARED])
    return calls


def _days(account: Account) -> dict[Any, Any]:
    rows = DailyUsage.objects.filter(account=account).order_by("day").values_list("day")
    sums = rows.annotate(
        calls=Sum("calls"), used=Sum("credits_used"), seconds=Sum("billed_seconds")
    )
    return {day: counts for day, *counts in sums}


def _balance(account: Account) -> dict[Any, Any]:
    return {"credits": Balance.objects.get(account=account).credits}
