"""One call: its facts, what it cost and why, who paid it, and every row of the log it caused.

What its page and the API show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Upper

from billing.models import Account, Kind, LedgerEntry
from billing.texts import in_credits
from calls.models import Call
from calls.records import is_long
from calls.reports import calls_of
from calls.usage import payers, words
from calls.usage.entries import Entry
from calls.usage.log import LogRow, log_rows
from calls.usage.reports import Report, other_reports
from calls.usage.search import capitals


@dataclass(frozen=True, slots=True)
class CallPage:
    """A call as its page and the API show it. Times are in the account's zone.

    ``call`` is None where only the log knows the call. ``credits`` is what it cost in the end, all
    corrections included, ``rows`` are its rows, oldest first. ``paid`` are the payments of it, what
    grants got back taken off, and what nobody has paid yet; ``paid_words`` say the same.
    ``reports`` are those of other sources that tell the call too; ``same_as`` is the ID of the call
    that a withdrawn one turned out to be.
    """

    call_id: str
    call: Call | None
    started_at: datetime
    connected_at: datetime | None
    ended_at: datetime | None
    withdrawn_at: datetime | None
    rang_for: timedelta | None
    lasted: timedelta | None
    charge_words: str
    paid: Sequence[payers.Paid]
    paid_words: str
    credits: int
    rows: Sequence[LogRow]
    reports: Sequence[Report]
    same_as: str

    @property
    def balance_after(self) -> int:
        """The account's balance after the latest row."""
        return self.rows[-1].balance_after

    @property
    def is_long(self) -> bool:
        """Whether the call lasted so long that somebody should check that it is true."""
        return self.call is not None and is_long(self.call)

    @property
    def is_corrected(self) -> bool:
        """Whether the charge was corrected after it was first booked, and nothing withdrawn."""
        return len(self.rows) > 1 and not self.has_withdrawals

    @property
    def has_withdrawals(self) -> bool:
        """Whether anything of it was withdrawn, though it may have come again."""
        return any(row.kind == Kind.WITHDRAWAL for row in self.rows)


def call_id_of(*, account: Account, call_id: str) -> str | None:
    """The ID of the call that another source reports by this ID; None where there is none."""
    if "\x00" in call_id:
        return None
    return calls_of(account_id=account.pk, call_ids=[call_id]).get(call_id)


def other_id_of(*, account: Account, call_id: str) -> str | None:
    """The own ID of the call that has this one too: another source gives it, or the carrier does.

    A carrier's ID that several calls have leads to none of them. One query, or two.
    """
    linked = call_id_of(account=account, call_id=call_id)
    if linked or not call_id or "\x00" in call_id:
        return linked
    carried = Call.objects.filter(account=account, carrier_id=call_id, withdrawn_at=None)
    found = list(carried.exclude(carrier_id="").values_list("call_id", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def call_page(*, account: Account, call_id: str) -> CallPage | None:
    """Read a call and its rows; None where the account has no such call. Three queries; one or two
    more for what other sources tell of it, or what it turned out to be."""
    if not call_id or "\x00" in call_id:  # which the database can't even be asked for
        return None
    # Known not to be empty, and in capitals: that is what the index of call IDs is about.
    own = (
        LedgerEntry.objects.filter(account=account, call_id=call_id)
        .exclude(call_id="")
        .alias(in_capitals=Upper("call_id"))
        .filter(in_capitals=capitals(call_id))
    )
    entries = Entry.read(own.order_by("seq"))
    if not entries:
        return None
    call = Call.objects.filter(account=account, call_id=call_id).first()
    zone = account.zone
    rows = log_rows(account=account, entries=entries)

    def local(at: datetime | None) -> datetime | None:
        return at.astimezone(zone) if at else None

    paid = payers.net(payers.payments_of([(entry.account_id, entry.seq) for entry in entries]))
    credits = sum(row.credits_used for row in rows)
    started_at = rows[0].occurred_at if call is None else call.started_at.astimezone(zone)
    return CallPage(
        call_id=call_id,
        call=call,
        started_at=started_at,
        connected_at=local(call.connected_at) if call else None,
        ended_at=local(call.ended_at) if call else None,
        withdrawn_at=local(call.withdrawn_at) if call else None,
        rang_for=call.connected_at - call.started_at if call and call.connected_at else None,
        lasted=call.ended_at - call.started_at if call and call.ended_at else None,
        charge_words=words.in_full(call, zone=zone) if call else in_credits(credits),
        paid=paid,
        paid_words=payers.in_words(paid, year=started_at.year, zone=zone),
        credits=credits,
        rows=rows,
        reports=other_reports(call) if call and call.has_reports else (),
        same_as=(call_id_of(account=account, call_id=call_id) or "")
        if call and call.withdrawn_at and call.carrier_id
        else "",
    )
