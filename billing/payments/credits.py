"""Credits follow the money: what was paid back or is held back takes its part of them, and what
returns gives it back.

Only `billing.payments.settling` calls this, under the top-up's lock.
Rule: "Money that goes back". Credits taken = ⌊credits × gone / paid⌋, always from the totals: what
is posted is the difference to what the ledger has taken already.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.ledger import NewGrant, Posting, references
from billing.models import CreditGrant, GrantSource, GrantUse, Kind, LedgerEntry, TopUp
from billing.payments.states import Money
from billing.plans import movements
from billing.plans.cycles import TOP_UP_VALID_MONTHS, add_months


def follow_money(top_up: TopUp, *, money: Money, reason: str, now: datetime) -> None:
    """Take the credits of a credited top-up whose money is gone, or give back those whose money
    has returned. ``reason`` is what an operator typed.

    What is due is taken from the top-up's own credits as far as those go: the ones that are left,
    and the ones taken before the rest expired. Beyond them expired credits count towards what is
    due: had the provider told of it before they expired, they would have been taken. Other
    credits, or debt, never stand in for credits that have expired.
    """
    movements.bring_up_to_date(account=top_up.account, now=now)  # and hold the account
    book = _Book(top_up)
    due = top_up.credits * money.gone_minor // money.paid_minor
    to_take = max(due - book.expired, min(due, book.own)) - book.taken
    gone_minor = money.gone_minor
    if to_take > 0:
        postings = book.takings(to_take, gone_minor=gone_minor, reason=reason, now=now)
    else:
        postings = book.returns(-to_take, gone_minor=gone_minor, now=now)
    if posted := list(postings):
        movements.post(postings=posted, now=now)


def valid_until(top_up: TopUp) -> datetime | None:
    """When the credits of ``top_up`` expire: the first of those left, else the last ones added.

    Credits that came back with a won dispute expire later than those bought. None where none were
    added, or they never expire. Two queries.
    """
    opened = LedgerEntry.objects.filter(
        account=top_up.account_id, top_up=top_up, credits__gt=0
    ).values_list("seq", flat=True)
    grants = list(
        CreditGrant.objects.filter(account=top_up.account_id, seq__in=list(opened)).order_by("seq")
    )
    left = [grant.expires_at for grant in grants if grant.remaining and grant.expires_at]
    return min(left) if left else (grants[-1].expires_at if grants else None)


@dataclass(frozen=True, slots=True)
class _Taking:
    """Credits that ``entry`` has taken and that are not given back.

    ``own`` of them were the top-up's own: bought, or returned after they had been taken from those.
    Other grants paid the rest, or it became debt.
    """

    credits: int
    own: int
    entry: LedgerEntry


class _Book:
    """What the ledger has of a top-up: its grants, and what was taken and given back."""

    def __init__(self, top_up: TopUp) -> None:
        self._top_up = top_up
        entries = list(
            LedgerEntry.objects.filter(account=top_up.account_id, top_up=top_up).order_by("seq")
        )
        opened = [entry.seq for entry in entries if entry.credits > 0]
        self._grants = {
            grant.seq: grant
            for grant in CreditGrant.objects.filter(account=top_up.account_id, seq__in=opened)
        }
        bought = references.of_top_up(top_up.pk)
        self._moved = [entry for entry in entries if entry.reference != bought]
        self.taken = -sum(entry.credits for entry in self._moved)
        self.expired = sum(grant.expired or 0 for grant in self._grants.values())
        self._takings, self._own_grants = self._replayed()

    @property
    def own(self) -> int:
        """What is left of the top-up's own credits, with those of them that are taken."""
        left = sum(self._grants[seq].remaining for seq in self._own_grants)
        return left + sum(taking.own for taking in self._takings)

    def takings(
        self, credits: int, *, gone_minor: int, reason: str, now: datetime
    ) -> Iterable[Posting]:
        """Take ``credits``: from the top-up's own grants, newest first, then as any use."""
        own = sorted((g for g in self._grants.values() if g.remaining), key=lambda g: -g.seq)
        parts: list[tuple[int, int | None]] = []
        for grant in own:
            part = min(credits, grant.remaining)
            if part:
                parts.append((part, grant.seq))
                credits -= part
        if credits and len(parts) == 1:  # one movement, as its reader sees it
            parts = [(parts[0][0] + credits, parts[0][1])]
        elif credits:
            parts.append((credits, None))
        for number, (part, seq) in enumerate(parts, start=len(self._moved) + 1):
            yield Posting(
                account_id=self._top_up.account_id,
                kind=Kind.REFUND,
                credits=-part,
                reference=references.of_refund(self._top_up.pk, number, gone_minor),
                occurred_at=now,
                remarks=reason,
                top_up_id=self._top_up.pk,
                takes_from=seq,
            )

    def returns(self, credits: int, *, gone_minor: int, now: datetime) -> Iterable[Posting]:
        """Give ``credits`` back, those taken last first: each as long as it had left when taken.

        Where it had nothing left, the credits are valid as those are that return to a grant which
        has ended.
        """
        number = len(self._moved)
        for taking in reversed(self._takings):
            part = min(credits, taking.credits)
            if not part:
                return
            credits -= part
            number += 1
            left = self._life_left(taking.entry)
            lasting = left > timedelta()
            yield Posting(
                account_id=self._top_up.account_id,
                kind=Kind.TOP_UP,
                credits=part,
                reference=references.of_refund(self._top_up.pk, number, gone_minor),
                occurred_at=now,
                top_up_id=self._top_up.pk,
                grant=NewGrant(
                    GrantSource.TOP_UP,
                    now + left
                    if lasting
                    else add_months(now, TOP_UP_VALID_MONTHS, self._top_up.account.zone),
                ),
            )

    def _replayed(self) -> tuple[list[_Taking], set[int]]:
        """What was taken and not given back, first to last; and which grants hold own credits."""
        takings: list[_Taking] = []
        own_grants = set(self._grants) - {entry.seq for entry in self._moved}
        uses = self._uses()
        for entry in self._moved:
            if entry.credits < 0:
                own = sum(uses[entry.seq, grant] for grant in own_grants)
                takings.append(_Taking(-entry.credits, own, entry))
                continue
            returned = entry.credits
            while returned and takings:
                last = takings.pop()
                part = min(returned, last.credits)
                returned -= part
                left = last.credits - part
                if last.own > left:  # own credits are taken first and return last
                    own_grants.add(entry.seq)
                if left:
                    takings.append(_Taking(left, min(last.own, left), last.entry))
        return takings, own_grants

    def _uses(self) -> Counter[tuple[int, int]]:
        """What of an entry that takes credits one of the top-up's grants has paid, by the numbers
        of the entry and the grant."""
        taken = [entry.seq for entry in self._moved if entry.credits < 0]
        if not taken:
            return Counter()
        found = GrantUse.objects.filter(
            account=self._top_up.account_id, use_seq__in=taken, grant_seq__in=list(self._grants)
        )
        uses: Counter[tuple[int, int]] = Counter()
        for use in found:
            uses[use.use_seq, use.grant_seq] += use.credits
        return uses

    def _life_left(self, entry: LedgerEntry) -> timedelta:
        """How long the credits that ``entry`` took could still have been used."""
        before = [grant for seq, grant in self._grants.items() if seq < entry.seq]
        grant = self._grants.get(entry.paid_by or 0) or max(before, key=lambda each: each.seq)
        assert grant.expires_at is not None
        return grant.expires_at - entry.posted_at
