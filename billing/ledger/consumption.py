"""Which grants pay what, decided by the rules alone: what the audit replays an account with.

A second, simple implementation on purpose: it shares nothing with `billing.ledger.flow`, so that a
fault of one is no fault of the other. Nothing here reads the database.

Rules: "How credits are consumed", 6, 7 and 13. Of a grant it believes its end, of an entry its
kind, credits and times. Times are text as PostgreSQL writes them in UTC, which sorts as they do:
reading a million of them as objects would take longer than everything else.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

NEVER = "~"  # after any digit
TAKEN_BACK_FOR = timedelta(days=35)


class Entry(NamedTuple):
    """One entry as the replay sees it, with the grant that it opened, if it did."""

    account_id: int
    seq: int
    kind: str
    credits: int
    started: str
    posted: str
    paid_by: int | None
    call_id: str | None
    top_up_id: int | None
    has_changes: bool
    granted_credits: int | None
    begins: str | None
    ends: str | None


class Part(NamedTuple):
    """What one grant (None: nobody, so that it is owed no longer) paid of an entry, or got back."""

    use_seq: int
    grant_seq: int | None
    credits: int
    into_new_grant: bool = False


class Difference(Exception):
    """What an entry should be, and is not."""


class _Grant:
    def __init__(self, entry: Entry, begins: str, ends: str, credits: int) -> None:
        self.seq = entry.seq
        self.begins = begins
        self.ends = ends
        self.credits = self.left = credits
        self.posted = entry.posted
        self.expired: int | None = None
        self.order = (ends, begins, entry.seq)


class _Call:
    """What paid a call that gives credits back, first to last, and what it owed, oldest first."""

    def __init__(self) -> None:
        self.payments: list[Part] = []
        self.owed: list[Owed] = []


class Owed:
    """What of the entry ``seq`` no grant has paid yet."""

    def __init__(self, seq: int, credits: int, call: _Call | None) -> None:
        self.seq = seq
        self.credits = credits  # 0 once it is paid or owed no longer
        self.call = call
        if call is not None:
            call.owed.append(self)


class ReplayedAccount:
    """What the entries read so far have left."""

    def __init__(self, opened_at: str | None) -> None:
        self.opened_at = opened_at
        self.grants: list[_Grant] = []  # in the order of consumption
        self.first: _Grant | None = None  # of them that has credits left
        self.lapsed_until = ""  # when the last end was of what has expired
        self.taken_back: list[tuple[int, int]] = []
        self.owed: deque[Owed] = deque()
        self.calls: dict[str, _Call] = {}
        self.returned: _Grant | None = None  # the latest that a withdrawal opened
        self.of_top_up: dict[int, list[_Grant]] = {}  # with what came back of it, newest first

    def find_first(self) -> None:
        self.first = next((grant for grant in self.grants if grant.left), None)

    # ── What is left in the end ───────────────────────────────────────────────────────────────
    @property
    def holdings(self) -> dict[int, tuple[int, int | None, int]]:
        """By number, what each grant has left, what of it expired, and how much it was at first."""
        return {grant.seq: (grant.left, grant.expired, grant.credits) for grant in self.grants}

    @property
    def debts(self) -> dict[int, int]:
        """What is owed, by the number of the entry."""
        return {owed.seq: owed.credits for owed in self.owed if owed.credits}

    # ── One entry ─────────────────────────────────────────────────────────────────────────────
    def replay(self, entry: Entry) -> list[Part]:
        """Move the credits of ``entry``; return who should have paid it. Raises Difference."""
        if entry.kind == "expiry":
            return self._expiry(entry)
        if self.first and self.first.ends <= entry.posted:
            raise Difference(f"grant {self.first.seq} should have expired before it")
        if entry.credits < 0 and entry.kind == "withdrawal" and not entry.has_changes:
            parts = self._owe(entry)
        elif entry.credits < 0:
            parts = self._use(entry)
        elif self.taken_back:
            raise Difference("an expiry was taken back before it, which it did not use")
        elif entry.credits == 0:
            parts = []
        elif entry.kind in ("correction", "withdrawal"):
            parts = self._give_back(entry)
        else:
            parts = self._open(entry)
        self.find_first()
        return parts

    def _expiry(self, entry: Entry) -> list[Part]:
        grant = next((one for one in self.grants if one.seq == entry.paid_by), None)
        if grant is None:
            raise Difference("is of no grant that was there")
        if entry.credits > 0:
            self.taken_back.append((grant.seq, entry.credits))
        elif grant.left != -entry.credits or not grant.ends <= entry.posted:
            raise Difference(f"grant {grant.seq} had {grant.left} credits left until {grant.ends}")
        else:
            grant.expired, grant.left = grant.left, 0
            self.lapsed_until = max(self.lapsed_until, grant.ends)
            self.find_first()
        return [Part(entry.seq, grant.seq, -entry.credits)]

    def _use(self, entry: Entry) -> list[Part]:
        missing = -entry.credits
        parts: list[Part] = []
        taken_back = []
        for grant in self._payers(entry):
            part = min(missing, grant.left or grant.expired or 0)
            if part:
                if grant.left:
                    grant.left -= part
                else:
                    grant.expired = (grant.expired or 0) - part
                    taken_back.append((grant.seq, part))
                parts.append(Part(entry.seq, grant.seq, part))
                missing -= part
        if taken_back != self.taken_back:
            raise Difference(f"should take back of expiries {taken_back}, not {self.taken_back}")
        self.taken_back = []
        call = self._call(entry)
        if call is not None:
            call.payments += parts
        if missing:
            self.owed.append(Owed(entry.seq, missing, call))
        return parts

    def _owe(self, entry: Entry) -> list[Part]:
        """What a withdrawn call had got back: the rest of its withdrawal gives back more."""
        call = self._call(entry)
        if call is None:
            raise Difference("takes credits of a call that gives none back")
        self.owed.append(Owed(entry.seq, -entry.credits, call))
        return []

    def _payers(self, entry: Entry) -> Iterator[_Grant]:
        if entry.kind == "refund":
            own = self.of_top_up.get(entry.top_up_id or 0, [])
            yield from (grant for grant in own if grant.left)
        if entry.kind in ("call", "correction", "withdrawal"):
            for grant in self.grants:
                was_valid = grant.begins <= entry.started < grant.ends
                if was_valid and (grant.left or (grant.expired and self._is_late(grant, entry))):
                    yield grant
        yield from (grant for grant in self.grants if grant.left)

    def _is_late(self, grant: _Grant, entry: Entry) -> bool:
        """Whether the record came late, but not too late for the expiry to be taken back."""
        last = max(grant.ends, self.opened_at or "")
        posted_at, last_at = map(datetime.fromisoformat, (entry.posted, last))
        return posted_at - last_at <= TAKEN_BACK_FOR

    def _call(self, entry: Entry) -> _Call | None:
        return self.calls.setdefault(entry.call_id, _Call()) if entry.call_id else None

    def _open(self, entry: Entry) -> list[Part]:
        if entry.begins is None or entry.ends is None:
            raise Difference("opens no grant")
        self._add(_Grant(entry, entry.begins, entry.ends, entry.credits))
        if entry.kind == "top_up" and entry.top_up_id is not None:
            own = self.of_top_up.setdefault(entry.top_up_id, [])
            own.insert(0, self.grants_by_seq(entry.seq))
        return self._pay_owed()

    def grants_by_seq(self, seq: int) -> _Grant:
        return next(grant for grant in self.grants if grant.seq == seq)

    def _add(self, grant: _Grant) -> None:
        self.grants.append(grant)
        self.grants.sort(key=attrgetter("order"))

    def _pay_owed(self) -> list[Part]:
        parts = []
        for grant in self.grants:
            while grant.left and self.owed:
                owed = self.owed[0]
                if not owed.credits:
                    self.owed.popleft()
                    continue
                part = Part(owed.seq, grant.seq, min(grant.left, owed.credits))
                grant.left -= part.credits
                owed.credits -= part.credits
                if owed.call is not None:
                    owed.call.payments.append(part)
                parts.append(part)
        return parts

    def _give_back(self, entry: Entry) -> list[Part]:
        call = self._call(entry)
        assert call is not None
        left = entry.credits
        parts = []
        for owed in reversed(call.owed):
            if part := min(left, owed.credits):
                owed.credits -= part
                left -= part
                parts.append(Part(owed.seq, None, -part))
        call.owed = [owed for owed in call.owed if owed.credits]
        for_new = 0
        while left:
            if not call.payments:
                raise Difference(f"gives back {left} credits that its call had not used")
            last = call.payments.pop()
            part = min(left, last.credits)
            if part < last.credits:
                call.payments.append(last._replace(credits=last.credits - part))
            left -= part
            assert last.grant_seq is not None
            grant = self.grants_by_seq(last.grant_seq)
            has_ended = grant.expired is not None or grant.ends <= entry.posted
            if has_ended:
                for_new += part
            else:
                grant.left += part
            parts.append(Part(entry.seq, grant.seq, -part, has_ended))
        self._open_for_returned(entry, for_new)
        return parts + self._pay_owed()

    def _open_for_returned(self, entry: Entry, credits: int) -> None:
        """What would go to grants that have ended. Withdrawals of one moment may share a grant."""
        shared = self.returned
        if entry.kind == "withdrawal" and credits and entry.granted_credits is None:
            if shared is None or shared.posted != entry.posted:
                raise Difference(f"should open a grant of {credits} credits")
            shared.credits += credits
            shared.left += credits
            return
        if bool(credits) != (entry.granted_credits is not None) or (
            entry.kind == "correction" and credits != (entry.granted_credits or 0)
        ):
            raise Difference(f"should open a grant of {credits} credits")
        if credits:
            opened = _Grant(entry, entry.begins or "", entry.ends or NEVER, credits)
            self._add(opened)
            if entry.kind == "withdrawal":
                self.returned = opened
