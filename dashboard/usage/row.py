"""One row of the log that is no call: a top-up, plan credits, an expiry, a refund …"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Sum
from django.urls import reverse

from billing.models import Account, CreditGrant, GrantUse, Kind, LedgerEntry, TopUp
from calls.usage import payers
from calls.usage.entries import Entry
from calls.usage.log import LogRow, log_rows


@dataclass(frozen=True, slots=True)
class CreditsLeft:
    """What became of the credits that a row added. Times are in the account's zone.

    ``used``: by calls, and by whatever else took credits; ``taken_back``: with the money of the
    top-up. ``log_url``: the log of the days on which they could be used, until now.
    """

    credits: int
    remaining: int
    used: int
    taken_back: int
    expired: int
    expires_at: datetime | None
    log_url: str


@dataclass(frozen=True, slots=True)
class RowPage:
    """A row as its page shows it.

    ``left`` is None where the row added no credits that can be used. ``paid_words`` say which
    grants its credits came from or returned to. ``top_up_url`` is the page of the top-up that it
    comes from, for those who may see it, else empty.
    """

    row: LogRow
    left: CreditsLeft | None
    paid_words: str
    top_up_url: str


def row_page(*, account: Account, seq: int, may_pay: bool, now: datetime) -> RowPage | None:
    """Read the row numbered ``seq``; None where the account has none. At most seven queries."""
    found = Entry.read(LedgerEntry.objects.filter(account=account, seq=seq))
    if not found:
        return None
    (entry,) = found
    (row,) = log_rows(account=account, entries=found)
    paid = payers.payments_of([(account.pk, seq)])
    return RowPage(
        row=row,
        left=_credits_left(account, entry, now),
        paid_words=payers.in_words(paid, year=row.occurred_at.year, zone=account.zone),
        top_up_url=_top_up_url(account, entry) if may_pay else "",
    )


def _credits_left(account: Account, entry: Entry, now: datetime) -> CreditsLeft | None:
    grant = CreditGrant.objects.filter(account=account, seq=entry.seq).first()
    if grant is None:
        return None
    taken_back = _taken_back(account, entry) if entry.top_up_id is not None else 0
    expired = grant.expired or 0
    return CreditsLeft(
        credits=grant.credits,
        remaining=grant.remaining,
        used=grant.credits - grant.remaining - expired - taken_back,
        taken_back=taken_back,
        expired=expired,
        expires_at=grant.expires_at and grant.expires_at.astimezone(account.zone),
        log_url=_log_url(account, grant, now),
    )


def _taken_back(account: Account, entry: Entry) -> int:
    """What refunds of the top-up took out of the grant that ``entry`` opened."""
    refunds = LedgerEntry.objects.filter(
        account=account, top_up=entry.top_up_id, kind=Kind.REFUND
    ).values("seq")
    taken = GrantUse.objects.filter(account=account, grant_seq=entry.seq, use_seq__in=refunds)
    return int(taken.aggregate(credits=Sum("credits", default=0))["credits"])


def _log_url(account: Account, grant: CreditGrant, now: datetime) -> str:
    """The log of the days on which the credits of ``grant`` could be used, until today."""
    until = min(now, grant.expires_at or now)
    days = {
        "from": grant.granted_at.astimezone(account.zone).date().isoformat(),
        "to": until.astimezone(account.zone).date().isoformat(),
    }
    return f"{reverse('dashboard:usage', args=[account.slug])}?{urlencode(days)}#log"


def _top_up_url(account: Account, entry: Entry) -> str:
    """The page of the top-up that ``entry`` comes from, or whose credits expired with it."""
    top_up_id = entry.top_up_id
    if entry.kind == Kind.EXPIRY and entry.paid_by is not None:
        opened = LedgerEntry.objects.filter(account=account, seq=entry.paid_by)
        top_up_id = opened.values_list("top_up", flat=True).first()
    top_up = TopUp.objects.filter(account=account, pk=top_up_id).first() if top_up_id else None
    if top_up is None:
        return ""
    return reverse("dashboard:top_up_status", args=[account.slug, top_up.public_id])
