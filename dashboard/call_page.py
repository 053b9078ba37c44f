"""One call: its facts, what it cost and why, and every row of the log that it caused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from billing.models import Account, LedgerEntry
from calls.models import Call, Status
from dashboard.log import Entry, LogRow, log_rows


@dataclass(frozen=True, slots=True)
class CallPage:
    """A call as its page shows it. Times are in the account's zone.

    ``call`` is None where only the log knows the call. ``credits`` is what it cost in the end, all
    corrections included, ``rows`` are its rows, oldest first.
    """

    call_id: str
    call: Call | None
    started_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    rang_for: timedelta | None
    lasted: timedelta | None
    charge_words: str
    credits: int
    rows: Sequence[LogRow]

    @property
    def balance_after(self) -> int:
        """The account's balance after the latest row."""
        return self.rows[-1].balance_after

    @property
    def is_corrected(self) -> bool:
        """Whether the charge was corrected after it was first booked."""
        return len(self.rows) > 1


def call_page(*, account: Account, call_id: str) -> CallPage | None:
    """Read a call and its rows; None where the account has no such call. Two queries."""
    if not call_id or "\x00" in call_id:  # which the database can't even be asked for
        return None
    # Known not to be empty: that is what the index of call IDs is about.
    own = LedgerEntry.objects.filter(account=account, call_id=call_id).exclude(call_id="")
    entries = Entry.read(own.order_by("seq"))
    if not entries:
        return None
    call = Call.objects.filter(account=account, call_id=call_id).first()
    zone = account.zone
    rows = log_rows(account=account, entries=entries)

    def local(at: datetime | None) -> datetime | None:
        return at.astimezone(zone) if at else None

    credits = sum(row.credits_used for row in rows)
    return CallPage(
        call_id=call_id,
        call=call,
        started_at=rows[0].occurred_at if call is None else call.started_at.astimezone(zone),
        connected_at=local(call.connected_at) if call else None,
        ended_at=local(call.ended_at) if call else None,
        rang_for=call.connected_at - call.started_at if call and call.connected_at else None,
        lasted=call.ended_at - call.started_at if call and call.ended_at else None,
        charge_words=charge_in_words(call) if call else counted("credit", credits),
        credits=credits,
        rows=rows,
    )


def charge_in_words(call: Call) -> str:
    """The arithmetic of a charge: "65 s, billed as 3 × 30 s at 1 credit = 3 credits, plan …"."""
    if call.status != Status.COMPLETED:
        return f"{call.get_status_display()}: the call was never connected, so it cost nothing."
    return (
        f"{seconds_in_words(call.billable_seconds)}, billed as "
        f"{call.increments:,} × {call.increment_seconds:,} s at "
        f"{counted('credit', call.credits_per_increment)} = {counted('credit', call.credits)}, "
        f"plan {call.plan_name}"
    )


def counted(noun: str, number: int) -> str:
    """A number with its noun: "1 credit", "1,500 credits"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def seconds_in_words(seconds: Decimal | int) -> str:
    """Exact seconds without needless zeros: "65 s", "30.001 s"."""
    text = f"{seconds:,f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} s"
