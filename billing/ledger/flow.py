"""How credits flow: what postings do to those of an account, in memory, while its row is locked.

`billing.ledger.grants` reads and stores what an account has. How credits flow (rules: "Where
credits come from", "How credits are consumed"):

- Credits leave the grant that expires soonest; ties go to the oldest. When no grant has anything
  left, the balance goes below zero: that is debt.
- Credits that come in pay the debt first; only the rest can be consumed.
- Credits that a correction gives back are returned to the most recently used grants. What fits in
  none of them, because theirs have expired, becomes a grant of its own.
- A grant that is past its expiry is expired, visibly, before anything else is posted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from billing.ledger import references
from billing.models import GrantSource, Kind
from billing.plans.cycles import TOP_UP_VALID_MONTHS, add_months

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Makes the credits of a posting consumable until ``expires_at`` (None: for ever)."""

    source: GrantSource
    expires_at: datetime | None


class Posting(NamedTuple):
    """One movement of credits to be booked: negative ``credits`` are used, positive added.

    ``reference`` is unique within the account and names the cause. ``grant`` goes with credits
    added, except those that a correction gives back. ``grant_reference`` names the grant to take
    credits from before any other. (A named tuple, because a batch makes thousands.)
    """

    account_id: int
    kind: Kind
    credits: int
    reference: str
    occurred_at: datetime
    remarks: str = ""
    call_id: str = ""
    usage_type: str = ""
    agent: str = ""
    billed_seconds: int = 0
    grant: NewGrant | None = None
    grant_reference: str | None = None


class Posted(NamedTuple):
    """A posting as it was booked: with its number and the balance it left."""

    posting: Posting
    seq: int
    balance_after: int


@dataclass(slots=True)
class Grant:
    """A grant while its account is locked. ``key`` is its place in the order of consumption."""

    id: int | None  # None: not stored yet
    account_id: int
    reference: str
    source: str
    credits: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None
    last_used_seq: int | None  # the entry that last took credits from it
    touched: bool = False

    @property
    def key(self) -> tuple[datetime, datetime, float]:
        return (
            self.expires_at or NEVER,
            self.granted_at,
            float("inf") if self.id is None else self.id,
        )

    def change(self, credits: int) -> None:
        self.remaining += credits
        self.touched = True


class LockedAccount:
    """One account while its balance row is locked: takes postings in memory, in order."""

    def __init__(
        self,
        *,
        account_id: int,
        credits: int,
        last_seq: int,
        zone: ZoneInfo,
        grants: Iterable[Grant],
    ) -> None:
        self.account_id = account_id
        self.credits = credits
        self.last_seq = last_seq
        self.zone = zone
        self.grants = sorted(grants, key=attrgetter("key"))  # in the order of consumption
        self.expired: list[Grant] = []
        self.posted: list[Posted] = []

    def expire(self, at: datetime) -> None:
        """Book the expiry of what is left of every grant that is due at ``at``."""
        due = [
            grant
            for grant in self.grants
            if grant.remaining and grant.expires_at and grant.expires_at <= at
        ]
        for grant in due:
            assert grant.expires_at is not None
            left = grant.remaining
            grant.change(-left)
            self._append(
                Posting(
                    account_id=self.account_id,
                    kind=Kind.EXPIRY,
                    credits=-left,
                    reference=references.of_expiry(grant.reference),
                    occurred_at=grant.expires_at,
                    remarks=f"{GrantSource(grant.source).label}: {left:,} of {grant.credits:,} "
                    "credits were not used and expired",
                )
            )
        if due:
            self.expired = due
            self.grants = [grant for grant in self.grants if grant not in due]

    def post(self, posting: Posting, posted_at: datetime) -> None:
        """Move the credits of ``posting`` into or out of the grants, and append its entry."""
        if posting.credits < 0:
            self._consume(-posting.credits, posting.grant_reference)
        elif posting.credits > 0:
            spendable = max(0, posting.credits - max(0, -self.credits))
            if posting.grant is not None:
                self._open(posting, posting.grant, spendable, posted_at)
            else:
                self._return(posting, spendable, posted_at)
        self._append(posting)

    def touched_grants(self) -> list[Grant]:
        """The grants to store."""
        return [grant for grant in (*self.grants, *self.expired) if grant.touched]

    def _append(self, posting: Posting) -> None:
        self.last_seq += 1
        self.credits += posting.credits
        self.posted.append(Posted(posting, self.last_seq, self.credits))

    def _consume(self, credits: int, first: str | None) -> None:
        grants = self.grants
        if first is not None:
            grants = sorted(grants, key=lambda grant: grant.reference != first)
        for grant in grants:
            if not credits:
                return
            if grant.remaining:
                part = min(credits, grant.remaining)
                grant.change(-part)
                grant.last_used_seq = self.last_seq + 1
                credits -= part

    def _open(self, posting: Posting, grant: NewGrant, spendable: int, posted_at: datetime) -> None:
        opened = Grant(
            id=None,
            account_id=self.account_id,
            reference=posting.reference,
            source=grant.source,
            credits=posting.credits,
            remaining=spendable,
            granted_at=min(posting.occurred_at, posted_at),
            expires_at=grant.expires_at,
            last_used_seq=self.last_seq + 1 if spendable < posting.credits else None,
            touched=True,
        )
        self.grants.append(opened)
        self.grants.sort(key=attrgetter("key"))

    def _return(self, posting: Posting, credits: int, posted_at: datetime) -> None:
        last_used_first = self.grants[::-1]
        last_used_first.sort(key=lambda grant: -(grant.last_used_seq or 0))
        for grant in last_used_first:
            if not credits:
                return
            part = min(credits, grant.credits - grant.remaining)
            if part:
                grant.change(part)
                credits -= part
        if credits:
            returned = posting._replace(credits=credits, occurred_at=posted_at)
            # Returned credits are worth as much as bought ones.
            until = add_months(posted_at, TOP_UP_VALID_MONTHS, self.zone)
            self._open(returned, NewGrant(GrantSource.RETURN, until), credits, posted_at)
