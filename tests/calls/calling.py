"""Short names for the call records that tests are made of."""

from datetime import UTC, datetime, timedelta

from billing.models import Balance, LedgerEntry
from calls.charging import record_calls
from calls.records import validate
from calls.usage.entries import Entry
from calls.usage.log import log_rows

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
STARTED_AT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def after(seconds):
    """An instant so many seconds after STARTED_AT."""
    return STARTED_AT + timedelta(seconds=seconds)


def record(account, call_id="c1", seconds=65, *, rings=5, **more):
    """A completed outbound call that talks for ``seconds`` after ringing for ``rings``."""
    started_at = more.pop("started_at", STARTED_AT)
    connected_at = started_at + timedelta(seconds=rings)
    facts = {
        "account_id": account.pk,
        "call_id": call_id,
        "usage_type": "outbound",
        "status": "completed",
        "started_at": started_at,
        "connected_at": connected_at,
        "ended_at": connected_at + timedelta(seconds=seconds),
        "now": NOW,
    }
    return validate(**{**facts, **more})


def unanswered(account, call_id="c1", status="no_answer", **more):
    """An outbound call that nobody answered."""
    return record(account, call_id, status=status, connected_at=None, **more)


def record_one(one, now=NOW):
    """Record one call; return (result, credits)."""
    [outcome] = record_calls(records=[one], now=now)
    return outcome.result.value, outcome.credits


def entries(account):
    """The usage entries of an account: (reference, credits, billed seconds)."""
    return list(
        LedgerEntry.objects.filter(account=account)
        .exclude(call_id="")
        .order_by("seq")
        .values_list("reference", "credits", "billed_seconds")
    )


def words_of(account):
    """What the log says of the usage entries of an account, in the order of their posting."""
    usage = LedgerEntry.objects.filter(account=account).exclude(call_id="").order_by("seq")
    return [row.words for row in log_rows(account=account, entries=Entry.read(usage))]


def balance(account):
    """The credits of an account."""
    return Balance.objects.get(account=account).credits
