"""How credits flow: what postings do to those of an account, in memory, while its row is locked.

`billing.ledger.grants` reads and stores what an account has. Rules: "How credits are consumed" 6, 7
and 13; "Where credits come from, and how long they last".

- A call uses the credits that were valid when it started, soonest end first, ties by age. Where
  they have expired since, their expiry is taken back to that extent, for records that arrive within
  `TAKEN_BACK_FOR`. Then it uses what the account has now; what is missing is debt.
- Everything else uses what the account has now; a refund uses the credits of its own top-up first.
- Credits that come in pay the debt, oldest first. Paying a debt is a use of the grant that pays it.
- Credits that a call gives back undo its uses, last paid first. What would go to a grant that has
  ended becomes a grant of its own; one for all withdrawals that are booked together.
- What a call had got back before it is withdrawn is not paid again: it is owed until the rest of
  the withdrawal, which follows at once, gives back more than that.
- A grant that is past its end expires, visibly, before anything else is posted. No end moves.

So after every posting: balance = what grants have left − what nobody has paid yet.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from operator import attrgetter
from zoneinfo import ZoneInfo

from billing.ledger import references
from billing.ledger.postings import (
    CallUses,
    Debt,
    Grant,
    NewGrant,
    Paid,
    Posted,
    Posting,
    Share,
    undo,
)
from billing.models import GrantSource, Kind
from billing.plans.cycles import TOP_UP_VALID_MONTHS, add_months

# How long after its end, or after the account was opened, an expiry can still be taken back.
TAKEN_BACK_FOR = timedelta(days=35)


class LockedAccount:
    """One account while its balance row is locked: books postings in memory, in order.

    ``grants`` are those with credits left, those whose expiry may be taken back, and those that
    have paid the ``calls``: by call ID, what has paid the calls that give credits back. The
    ``debts`` need only be read where credits come in or back.
    """

    def __init__(
        self,
        *,
        account_id: int,
        credits: int,
        last_seq: int,
        zone: ZoneInfo,
        opened_at: datetime,
        grants: Iterable[Grant],
        debts: Iterable[Debt] = (),
        calls: dict[str, CallUses] | None = None,
    ) -> None:
        self.account_id = account_id
        self.credits = credits
        self.last_seq = last_seq
        self.zone = zone
        self.opened_at = opened_at
        in_order = sorted(grants, key=attrgetter("key"))  # of consumption
        self.grants = [grant for grant in in_order if grant.expired is None]
        self.lapsed = [grant for grant in in_order if grant.expired is not None]
        self.debts = OrderedDict((debt.seq, debt) for debt in debts)  # oldest first
        self.settled: list[Debt] = []
        self.posted: list[Posted] = []
        self.shares: list[Share] = []
        self._returned: Grant | None = None  # what withdrawals return of grants that have ended
        self._calls = calls or {}
        self._call_of = {seq: call for call in self._calls.values() for seq in call.entries}

    def expire(self, at: datetime) -> None:
        """Book the expiry of what is left of every grant that is due at ``at``."""
        due = [g for g in self.grants if g.remaining and g.expires_at and g.expires_at <= at]
        for grant in due:
            assert grant.expires_at is not None
            left = grant.remaining
            grant.change(-left)
            grant.expired = left
            self._append(
                Posting(
                    account_id=self.account_id,
                    kind=Kind.EXPIRY,
                    credits=-left,
                    reference=references.of_expiry(
                        grant_seq=grant.seq, entry_seq=self.last_seq + 1
                    ),
                    occurred_at=grant.expires_at,
                ),
                paid_by=grant.seq,
            )
        if due:
            self.grants = [grant for grant in self.grants if grant.expired is None]
            self.lapsed = sorted((*self.lapsed, *due), key=attrgetter("key"))

    def post(self, posting: Posting, posted_at: datetime) -> None:
        """Move the credits of ``posting`` into or out of grants, and append its entry."""
        if posting.credits < 0 and posting.is_of_withdrawn_call:
            self._append(posting)
            self.debts[self.last_seq] = Debt(self.account_id, self.last_seq, -posting.credits)
            self._add_entry(self._calls[posting.call_id])
        elif posting.credits < 0:
            self._use(posting, posted_at)
        elif posting.grant is not None:
            self._open(posting, posting.grant, posting.credits, posted_at)
            self._append(posting)
            self._pay_debts()
            self.expire(posted_at)  # a cycle that is over by now can be granted late
        elif posting.credits > 0:
            if not posting.kind.is_usage:
                raise ValueError(f"{posting.reference} adds credits without a grant.")
            self._give_back(posting, posted_at)
        else:
            self._append(posting)

    def changed_grants(self) -> list[Grant]:
        """The grants to store."""
        return [g for g in (*self.grants, *self.lapsed) if g.is_changed or g.is_new]

    def changed_debts(self) -> list[Debt]:
        """The debts to store; those of 0 credits are paid."""
        return [
            debt for debt in (*self.settled, *self.debts.values()) if debt.credits != debt.stored
        ]

    # ── Uses ──────────────────────────────────────────────────────────────────────────────────
    def _use(self, posting: Posting, posted_at: datetime) -> None:
        if self.credits <= 0 and not self.lapsed and not self._calls:  # no grant has anything
            self._append(posting)
            self.debts[self.last_seq] = Debt(self.account_id, self.last_seq, -posting.credits)
            return
        grant = self._sole_payer(posting)
        if grant is not None:
            grant.change(posting.credits)
            self._append(posting, paid_by=grant.seq)
            return
        missing = -posting.credits
        parts: list[tuple[Grant, int]] = []
        for grant in self._in_order_for(posting, posted_at):
            available = grant.remaining or (grant.expired or 0)
            if available:
                part = min(missing, available)
                parts.append((grant, part))
                missing -= part
                self._take(grant, part, posting)
                if not missing:
                    break
        sole = parts[0][0].seq if len(parts) == 1 and not missing else None
        self._append(posting, paid_by=sole)
        if sole is None:
            for grant, part in parts:
                self._share(use_seq=self.last_seq, grant_seq=grant.seq, credits=part)
        if missing:
            self.debts[self.last_seq] = Debt(self.account_id, self.last_seq, missing)
        if call := self._calls.get(posting.call_id):
            self._add_entry(call)
            call.payments += [Paid(grant.seq, part) for grant, part in parts]

    def _sole_payer(self, posting: Posting) -> Grant | None:
        """The grant that pays ``posting`` alone, where that can be told at a glance: nearly always,
        and a batch makes thousands."""
        if self.lapsed or self._calls or posting.takes_from is not None:
            return None
        for grant in self.grants:
            if grant.remaining:
                is_enough = grant.remaining + posting.credits >= 0
                return grant if is_enough and grant.was_valid_at(posting.occurred_at) else None
        return None

    def _in_order_for(self, posting: Posting, posted_at: datetime) -> Iterator[Grant]:
        """The grants in the order in which ``posting`` uses them; a grant may come twice."""
        if posting.takes_from is not None:
            yield from (grant for grant in self.grants if grant.seq == posting.takes_from)
        if posting.kind.is_usage:
            started_at = posting.occurred_at
            if self.lapsed:
                known = merge(self.grants, self._taken_back_until(posted_at), key=attrgetter("key"))
                yield from (grant for grant in known if grant.was_valid_at(started_at))
            else:
                yield from (grant for grant in self.grants if grant.was_valid_at(started_at))
        yield from self.grants

    def _taken_back_until(self, posted_at: datetime) -> Iterator[Grant]:
        """The grants whose expiry a record that arrives at ``posted_at`` may take back."""
        for grant in self.lapsed:
            assert grant.expires_at is not None
            if posted_at <= max(grant.expires_at, self.opened_at) + TAKEN_BACK_FOR:
                yield grant

    def _take(self, grant: Grant, credits: int, posting: Posting) -> None:
        """Take ``credits`` out of ``grant``; where they have expired, take that back first."""
        if grant.remaining:
            grant.change(-credits)
            return
        assert grant.expired is not None
        assert grant.expires_at is not None
        grant.expired -= credits
        grant.is_changed = True
        self._append(
            Posting(
                account_id=self.account_id,
                kind=Kind.EXPIRY,
                credits=credits,
                reference=references.of_expiry_taken_back(
                    grant_seq=grant.seq, entry_seq=self.last_seq + 1
                ),
                occurred_at=grant.expires_at,
            ),
            paid_by=grant.seq,
        )

    # ── Additions and returns ─────────────────────────────────────────────────────────────────
    def _open(self, posting: Posting, grant: NewGrant, credits: int, posted_at: datetime) -> Grant:
        """Open a grant of ``credits`` with the entry that comes next."""
        opened = Grant(
            seq=self.last_seq + 1,
            account_id=self.account_id,
            source=grant.source,
            credits=credits,
            remaining=credits,
            granted_at=min(posting.occurred_at, posted_at),
            expires_at=grant.expires_at,
            is_new=True,
        )
        self.grants.append(opened)
        self.grants.sort(key=attrgetter("key"))
        return opened

    def _return_of_ended(self, posting: Posting, credits: int, posted_at: datetime) -> None:
        """Open a grant of what would go to grants that have ended.

        Withdrawals that are booked together share one, or an account whose large import is taken
        back would be left with a grant for each call.
        """
        if posting.kind is Kind.WITHDRAWAL and self._returned is not None:
            self._returned.credits += credits
            self._returned.change(credits)
            return
        until = add_months(posted_at, TOP_UP_VALID_MONTHS, self.zone)
        returned = posting._replace(occurred_at=posted_at)
        opened = self._open(returned, NewGrant(GrantSource.RETURN, until), credits, posted_at)
        if posting.kind is Kind.WITHDRAWAL:
            self._returned = opened

    def _pay_debts(self) -> None:
        """Let what has come in pay what is owed, oldest first."""
        for grant in self.grants:
            while grant.remaining and self.debts:
                debt = next(iter(self.debts.values()))
                part = min(grant.remaining, debt.credits)
                grant.change(-part)
                self._share(use_seq=debt.seq, grant_seq=grant.seq, credits=part)
                self._settle(debt, part)
                if call := self._call_of.get(debt.seq):
                    call.payments.append(Paid(grant.seq, part))

    def _settle(self, debt: Debt, credits: int) -> None:
        """Take ``credits`` off ``debt``."""
        debt.credits -= credits
        if not debt.credits:
            self.settled.append(self.debts.pop(debt.seq))

    def _give_back(self, posting: Posting, posted_at: datetime) -> None:
        """Cancel what the posting's call still owes, then undo its uses, last paid first."""
        call = self._calls[posting.call_id]
        forgiven = self._forgive(call, posting.credits)
        left = posting.credits - sum(forgiven.values())
        if left > sum(paid.credits for paid in call.payments):
            raise ValueError(f"{posting.reference} gives back more than its call has used.")
        undone = undo(call.payments, left)
        by_seq = {grant.seq: grant for grant in (*self.grants, *self.lapsed)}
        ended = sum(paid.credits for paid in undone if by_seq[paid.grant_seq].has_ended(posted_at))
        if ended:
            self._return_of_ended(posting, ended, posted_at)
        is_whole = len(undone) == 1 and not ended and undone[0].credits == posting.credits
        self._append(posting, paid_by=undone[0].grant_seq if is_whole else None)
        for debt_seq, credits in forgiven.items():
            self._share(use_seq=debt_seq, grant_seq=None, credits=-credits)
        for paid in undone:
            grant = by_seq[paid.grant_seq]
            into_new_grant = grant.has_ended(posted_at)
            if not into_new_grant:
                grant.change(paid.credits)
            if not is_whole:
                self._share(
                    use_seq=self.last_seq,
                    grant_seq=grant.seq,
                    credits=-paid.credits,
                    into_new_grant=into_new_grant,
                )
        self._add_entry(call)
        self._pay_debts()

    def _forgive(self, call: CallUses, credits: int) -> dict[int, int]:
        """Cancel up to ``credits`` of what nobody has paid of ``call`` yet, newest first.

        Returns how much, by the number of the entry that owed it.
        """
        forgiven = {}
        for seq in reversed(call.entries):
            debt = self.debts.get(seq)
            part = min(credits, debt.credits) if debt else 0
            if debt and part:
                self._settle(debt, part)
                credits -= part
                forgiven[seq] = part
        return forgiven

    def _add_entry(self, call: CallUses) -> None:
        """The entry that was appended last is one of ``call``."""
        call.entries.append(self.last_seq)
        self._call_of[self.last_seq] = call

    # ── Entries ───────────────────────────────────────────────────────────────────────────────
    def _append(self, posting: Posting, paid_by: int | None = None) -> None:
        self.last_seq += 1
        self.credits += posting.credits
        self.posted.append(Posted(posting, self.last_seq, self.credits, paid_by))

    def _share(
        self, *, use_seq: int, grant_seq: int | None, credits: int, into_new_grant: bool = False
    ) -> None:
        seq = self.last_seq
        position = 1  # 0 is that of ``paid_by``
        if self.shares and self.shares[-1].seq == seq:
            position = self.shares[-1].position + 1
        self.shares.append(
            Share(self.account_id, seq, position, use_seq, grant_seq, credits, into_new_grant)
        )
