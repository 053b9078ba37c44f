"""Random histories against a plain model, which moves one credit at a time and nothing clever."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from zoneinfo import ZoneInfo

from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import ledger
from billing.models import Account, Balance, CreditGrant, Debt, GrantUse, LedgerEntry
from billing.plans.cycles import add_months
from tests.audit import LEDGER, breaches
from tests.billing.postings import adjustment, call, correction, refund, top_up, withdrawal
from tests.factories import AccountFactory
from tests.properties import examples

START = datetime(2026, 3, 10, 12, tzinfo=UTC)
UNIT = timedelta(hours=12)  # of time: what is 35 days late is 70 of them
TAKEN_BACK_FOR = timedelta(days=35)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Held:
    """A grant of the model, by the reference of its entry."""

    reference: str
    number: int
    granted_at: datetime
    expires_at: datetime
    left: int = 0
    expired: int | None = None

    @property
    def order(self):
        return (self.expires_at, self.granted_at, self.number)

    def was_valid_at(self, at):
        return self.granted_at <= at < self.expires_at


@dataclass
class Cause:
    """A call, or what else takes credits, and the grant that paid each credit of it."""

    name: str
    started_at: datetime
    paid: list = field(default_factory=list)
    corrections: int = 0
    postings: list = field(default_factory=list)


@dataclass
class Model:
    """What the ledger should say. ``owed`` has the cause of each credit that nobody has paid."""

    opened_at: datetime
    zone: ZoneInfo
    grants: list = field(default_factory=list)
    shared: Held | None = None  # what withdrawals that are booked together return
    owed: list = field(default_factory=list)

    def expire(self, at):
        for one in self.grants:
            if one.left and one.expires_at <= at:
                one.expired, one.left = one.left, 0

    def use(self, cause, credits, at, *, first=None, by_start=False):
        for _ in range(credits):
            found = self._payer(cause, at, first, by_start)
            if found is None:
                self.owed.append(cause)
            else:
                cause.paid.append(found)
                if found.left:
                    found.left -= 1
                else:
                    found.expired -= 1

    def _payer(self, cause, at, first, by_start):
        if first is not None and first.left:
            return first
        live = [one for one in self.grants if one.left]
        lapsed = [
            one
            for one in self.grants
            if one.expired and at <= max(one.expires_at, self.opened_at) + TAKEN_BACK_FOR
        ]
        valid = [one for one in live + lapsed if one.was_valid_at(cause.started_at)]
        candidates = (valid if by_start else None) or live
        return min(candidates, key=attrgetter("order"), default=None)

    def grant(self, reference, credits, granted_at, expires_at, at):
        number = len(self.grants)
        opened = Held(reference, number, min(granted_at, at), expires_at or NEVER, credits)
        self.grants.append(opened)
        self.pay_debts()
        self.expire(at)
        return opened

    def pay_debts(self):
        while self.owed and (live := [one for one in self.grants if one.left]):
            payer = min(live, key=attrgetter("order"))
            payer.left -= 1
            self.owed.pop(0).paid.append(payer)

    def give_back(self, cause, reference, credits, at, *, shares=False):
        returned = 0
        for _ in range(credits):
            if cause in self.owed:
                newest = max(place for place, one in enumerate(self.owed) if one is cause)
                del self.owed[newest]
            else:
                payer = cause.paid.pop()
                if payer.expired is not None or payer.expires_at <= at:
                    returned += 1
                else:
                    payer.left += 1
        if returned and shares and self.shared:
            self.shared.left += returned
        elif returned:
            until = add_months(at, 12, self.zone)
            opened = Held(reference, len(self.grants), at, until, returned)
            self.grants.append(opened)
            self.shared = opened if shares else self.shared
        self.pay_debts()

    @property
    def balance(self):
        return sum(one.left for one in self.grants) - len(self.owed)


ACTIONS = ["call", "late call", "grant", "cycle", "dearer", "cheaper", "cheaper", "take", "refund"]
ACTIONS += ["withdraw", "withdraw"]
actions = st.tuples(st.sampled_from(ACTIONS), st.integers(1, 40), st.integers(0, 90))
# How far time moves on, and how far the clock of whoever posts then is off, in units.
batches = st.tuples(
    st.integers(0, 30), st.integers(-3, 3), st.lists(actions, min_size=1, max_size=8)
)


class History:
    """Turns actions into postings, and tells the model the same."""

    def __init__(self, account):
        self.account = account
        self.model = Model(account.created_at, account.zone)
        self.calls = []
        self.others = []
        self.top_ups = []  # as (id, grant, number of its entry)
        self.number = 0

    def post(self, at, batch):
        """Post twice, as a retry would: the second time adds nothing."""
        self.model.expire(at)
        self.model.shared = None
        postings = [posting for one in batch for posting in self._postings(at, *one)]
        for _ in range(2):
            ledger.post(postings=postings, posted_at=at)
            ledger.expire(account_ids=[self.account.pk], at=at)

    def _postings(self, at, action, credits, detail):
        if action == "withdraw":
            return self._withdrawals(at, detail)
        posting = self._posting(at, action, credits, detail)
        return [posting] if posting else []

    def _withdrawals(self, at, detail):
        """Undo all entries of a call, the latest first. What had come back of it is owed first."""
        if not self.calls:
            return []
        cause = self.calls[detail % len(self.calls)]
        self.calls.remove(cause)
        self.others.append(cause)
        withdrawals = [withdrawal(posting) for posting in reversed(cause.postings)]
        for one in withdrawals:
            if one.credits < 0:
                self.model.owed += [cause] * -one.credits
            else:
                self.model.give_back(cause, one.reference, one.credits, at, shares=True)
        return withdrawals

    def _posting(self, at, action, credits, detail):
        self.number += 1
        match action:
            case "call" | "late call":
                started_at = at - (detail if action == "late call" else detail % 2) * UNIT
                cause = Cause(f"call-{self.number}", started_at)
                self.calls.append(cause)
                self.model.use(cause, credits - 1, at, by_start=True)
                posting = call(self.account, cause.name, credits - 1, at=started_at)
                cause.postings.append(posting)
                return posting
            case "grant" | "cycle":
                return self._grant(at, action, credits, detail)
            case "take":
                cause = Cause(f"adjustment-{self.number}", at)
                self.others.append(cause)
                self.model.use(cause, credits, at)
                return adjustment(self.account, -credits, cause.name, at=at)
            case "refund":
                return self._refund(at, credits, detail)
            case _:
                return self._correction(at, action, credits, detail)

    def _grant(self, at, action, credits, detail):
        """Credits that come now, or those of a cycle that began earlier and may be over."""
        began_at = at - (detail % 50) * UNIT if action == "cycle" else at
        until = None if action == "grant" and detail > 80 else began_at + (detail % 60 + 1) * UNIT
        reference = f"grant-{self.number}"
        self.model.grant(reference, credits, began_at, until, at)
        if action == "grant":
            self.top_ups.append((self.number, self.model.grants[-1]))
        return top_up(
            self.account,
            credits,
            reference,
            at=began_at,
            expires_at=until,
            top_up_id=self.number if action == "grant" else None,
        )

    def _refund(self, at, credits, detail):
        stored = [one for one in self.top_ups if self._seq(one[1].reference)]
        if not stored:
            return None
        top_up_id, held = stored[detail % len(stored)]
        cause = Cause(f"refund-{self.number}", at)
        self.others.append(cause)
        self.model.use(cause, credits, at, first=held)
        return refund(
            self.account,
            credits,
            cause.name,
            top_up_id=top_up_id,
            grant_seq=self._seq(held.reference),
            at=at,
        )

    def _seq(self, reference):
        entries = LedgerEntry.objects.filter(account=self.account, reference=reference)
        return entries.values_list("seq", flat=True).first()

    def _correction(self, at, action, credits, detail):
        if not self.calls:
            return None
        cause = self.calls[detail % len(self.calls)]
        cause.corrections += 1
        number = cause.corrections
        if action == "dearer":
            self.model.use(cause, credits, at, by_start=True)
            credits = -credits
        else:
            used = len(cause.paid) + sum(one is cause for one in self.model.owed)
            credits = min(credits, used)
            reference = f"correction:{number}:{cause.name}"
            self.model.give_back(cause, reference, credits, at)
        posting = correction(self.account, cause.name, credits, number=number, at=cause.started_at)
        cause.postings.append(posting)
        return posting

    # ── What is compared ──────────────────────────────────────────────────────────────────────
    def check(self):
        """The stored rows say what the model does."""
        account = self.account
        references = dict(
            LedgerEntry.objects.filter(account=account).values_list("seq", "reference")
        )
        balance = Balance.objects.filter(account=account).first()
        assert (balance.credits if balance else 0) == self.model.balance
        assert {
            references[one.seq]: (one.remaining, one.expired)
            for one in CreditGrant.objects.filter(account=account)
        } == {one.reference: (one.left, one.expired) for one in self.model.grants}
        causes = {
            entry.seq: entry.call_id or entry.reference
            for entry in LedgerEntry.objects.filter(account=account)
        }
        owed: Counter[str] = Counter()
        for debt in Debt.objects.filter(account=account):
            owed[causes[debt.seq]] += debt.credits
        assert owed == Counter(one.name for one in self.model.owed)
        paid: Counter[tuple[str, str]] = Counter()
        for use in GrantUse.objects.filter(account=account):
            if not causes[use.use_seq].startswith("expiry"):
                paid[causes[use.use_seq], references[use.grant_seq]] += use.credits
        assert +paid == Counter(
            (cause.name, one.reference)
            for cause in (*self.calls, *self.others)
            for one in cause.paid
        )
        assert all(credits >= 0 for credits in paid.values())


class LedgerFollowsTheModel(TestCase):
    """Late records, expiries taken back, returns, several grants, debts and clocks apart: after
    every batch, which is posted twice, the ledger is what the model says."""

    @given(opened=st.integers(-60, 60), history=st.lists(batches, max_size=10))
    @examples(40)
    def test_random_history(self, opened, history):
        account = AccountFactory()
        account.created_at = START + opened * UNIT
        Account.objects.filter(pk=account.pk).update(created_at=account.created_at)
        told = History(account)
        now = START
        for waited, clock_is_off, batch in history:
            now += waited * UNIT
            told.post(now + clock_is_off * UNIT, batch)
            told.check()
        if LedgerEntry.objects.filter(account=account, kind="expiry", credits__gt=0).exists():
            event("an expiry was taken back")
        if Debt.objects.filter(account=account).exists():
            event("credits are owed in the end")
        if CreditGrant.objects.filter(account=account, source="return").exists():
            event("credits returned after their grant had ended")
        if LedgerEntry.objects.filter(account=account, kind="withdrawal", credits__lt=0).exists():
            event("a call was withdrawn that had got credits back")
        assert breaches(LEDGER) == []
