"""What is posted, and what an account holds while postings are applied to it.

`billing.ledger.flow` says how credits flow between these.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from billing.ledger import references
from billing.models import GrantSource, Kind

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class NewGrant:
    """Makes the credits of a posting usable until ``expires_at`` (None: for ever)."""

    source: GrantSource
    expires_at: datetime | None


class Posting(NamedTuple):
    """One movement of credits to be booked: negative ``credits`` are used, positive added.

    ``reference`` is unique within the account and names the cause. ``grant`` goes with credits
    added, except those that a call gives back. ``takes_from`` is the number of the entry whose
    grant is used before any other. The rest are facts of the entry (`LedgerEntry`); ``changes`` is
    JSON. (A named tuple, because a batch makes thousands.)
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
    billable_us: int = 0
    increment_seconds: int = 0
    call_status: str = ""
    changes: str | None = None
    plan_name: str = ""
    top_up_id: int | None = None
    grant: NewGrant | None = None
    takes_from: int | None = None
    import_id: int | None = None

    @property
    def is_of_withdrawn_call(self) -> bool:
        """Whether it undoes an entry of a call that is withdrawn as a whole.

        The withdrawal of a correction alone says what that changes of its call.
        """
        return self.kind is Kind.WITHDRAWAL and self.changes is None


def calls_of(kind: Kind, reference: str) -> int:
    """What an entry adds to the count of calls: a charge is one, its withdrawal takes it off."""
    if kind is Kind.CALL:
        return 1
    return -(kind is Kind.WITHDRAWAL and references.is_of_withdrawn_charge(reference))


class Posted(NamedTuple):
    """A posting as it was booked: its number, the balance it left, and the one grant that paid it
    or got its credits back, if it was one."""

    posting: Posting
    seq: int
    balance_after: int
    paid_by: int | None


class Share(NamedTuple):
    """One grant's part in an entry, where it is not the only one, or pays later than the entry.

    ``seq`` is the entry at whose posting it happened, ``use_seq`` the entry whose use it is.
    ``credits``: positive were paid, negative returned. ``into_new_grant``: returned after the
    grant had ended, so they are in a grant that the entry ``seq`` opened. Without a grant, nobody
    had paid them yet: they are owed no longer.
    """

    account_id: int
    seq: int
    position: int
    use_seq: int
    grant_seq: int | None
    credits: int
    into_new_grant: bool = False


@dataclass(slots=True)
class Debt:
    """What of the entry ``seq`` no grant has paid yet."""

    account_id: int
    seq: int
    credits: int
    stored: int = 0  # how much of it the database has


@dataclass(slots=True)
class Grant:
    """A grant while its account is locked; ``seq`` is that of the entry that opened it.

    ``expired`` is None until its expiry is booked, then what expired less what was taken back.
    """

    seq: int
    account_id: int
    source: str
    credits: int
    remaining: int
    granted_at: datetime
    expires_at: datetime | None
    expired: int | None = None
    is_new: bool = False
    is_changed: bool = False

    @property
    def key(self) -> tuple[datetime, datetime, int]:
        """Its place in the order of consumption: soonest end first, ties by age."""
        return (self.expires_at or NEVER, self.granted_at, self.seq)

    def was_valid_at(self, at: datetime) -> bool:
        """Whether its credits could be used at ``at``."""
        return self.granted_at <= at and (self.expires_at is None or at < self.expires_at)

    def has_ended(self, at: datetime) -> bool:
        """Whether nothing can return to it: at ``at`` it is over, or its expiry is booked, which a
        machine whose clock runs ahead may have done already."""
        return self.expired is not None or (self.expires_at is not None and self.expires_at <= at)

    def change(self, credits: int) -> None:
        """Add ``credits`` to what is left."""
        self.remaining += credits
        self.is_changed = True


class Paid(NamedTuple):
    """What a grant has paid of a call, in the order of payment."""

    grant_seq: int
    credits: int


@dataclass(slots=True)
class CallUses:
    """The numbers of a call's entries, oldest first, and which grants have paid it so far, first
    to last."""

    entries: list[int]
    payments: list[Paid]

    def add(self, use: Paid) -> None:
        """Add the next use. A negative one is a return: it undoes payments, the last one first."""
        if use.credits > 0:
            self.payments.append(use)
        else:
            undo(self.payments, -use.credits)


def undo(payments: list[Paid], credits: int) -> list[Paid]:
    """Take ``credits`` off ``payments``, the last one first, and return what was taken off."""
    undone = []
    while credits:
        last = payments.pop()
        part = min(credits, last.credits)
        if part < last.credits:
            payments.append(last._replace(credits=last.credits - part))
        undone.append(last._replace(credits=part))
        credits -= part
    return undone
