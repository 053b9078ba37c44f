"""Random histories against a plain model: a list of grants and a number, nothing clever."""

from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import ledger
from billing.models import Balance, CreditGrant
from tests.audit import LEDGER, breaches
from tests.billing.postings import NOW, call, correction, top_up
from tests.factories import AccountFactory

HOUR = timedelta(hours=1)
RETURNED_HOURS = 365 * 24  # 12 months from NOW

calls = st.tuples(st.just("call"), st.integers(0, 40), st.integers(0, 9))
corrections = st.tuples(st.just("correction"), st.integers(1, 40), st.none())
grants = st.tuples(st.just("grant"), st.integers(1, 60), st.integers(1, 12) | st.none())
waits = st.tuples(st.just("wait"), st.integers(1, 6), st.none())
batches = st.lists(
    st.lists(calls | grants | corrections, max_size=8) | waits.map(lambda w: [w]), max_size=12
)


@dataclass
class Model:
    """What the ledger should say: grants, what each single credit's use was, and what is owed.

    A grant is [expiry, credits left, credits], and ``uses`` has it once for every use of it.
    """

    hour: int = 0
    grants: list = field(default_factory=list)
    uses: list = field(default_factory=list)
    debt: int = 0

    def expire(self):
        self.grants = [grant for grant in self.grants if grant[0] > self.hour]

    def call(self, credits):
        for grant in sorted(self.grants, key=lambda grant: grant[0]):
            part = min(credits, grant[1])
            grant[1] -= part
            credits -= part
            if part:
                self.uses.append(grant)
        self.debt += credits

    def grant(self, credits, expires):
        paid = min(credits, self.debt)
        self.debt -= paid
        self.grants.append([expires, credits - paid, credits])
        if paid:
            self.uses.append(self.grants[-1])

    def correction(self, credits):
        paid = min(credits, self.debt)
        self.debt -= paid
        credits -= paid
        for grant in reversed(self.uses):
            if any(grant is live for live in self.grants):
                part = min(credits, grant[2] - grant[1])
                grant[1] += part
                credits -= part
        if credits:
            self.grants.append([self.hour + RETURNED_HOURS, credits, credits])

    @property
    def balance(self):
        return sum(left for _, left, _ in self.grants) - self.debt


class LedgerFollowsTheModel(TestCase):
    """Batches in any mix, each posted twice, leave what the model says."""

    @given(history=batches)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_random_history(self, history):
        account = AccountFactory()
        model = Model()
        posted = 0
        for batch in history:
            postings = []
            model.expire()
            for action, number, detail in batch:
                if action == "wait":
                    model.hour += number
                    continue
                posted += 1
                if action == "call":
                    model.call(number)
                    at = NOW - detail * HOUR
                    postings.append(call(account, f"call-{posted}", number, at=at))
                elif action == "correction":
                    model.correction(number)
                    postings.append(correction(account, "any", number, number=posted))
                else:
                    expires = float("inf") if detail is None else model.hour + detail
                    model.grant(number, expires)
                    until = None if detail is None else NOW + expires * HOUR
                    reference = f"grant-{posted}"
                    postings.append(top_up(account, number, reference, expires_at=until))
            for _ in range(2):
                at = NOW + model.hour * HOUR
                ledger.post(postings=postings, posted_at=at)
                ledger.expire(account_ids=[account.pk], at=at)
            model.expire()
            balance = Balance.objects.get(account=account)
            assert balance.credits == model.balance
            stored = CreditGrant.objects.filter(account=account, remaining__gt=0)
            assert sorted(stored.values_list("remaining", flat=True)) == sorted(
                left for _, left, _ in model.grants if left
            )
        assert breaches(LEDGER) == []


clocks = st.integers(0, 24)  # of whoever posts: behind and ahead of each other
steps = st.tuples(st.sampled_from(["grant", "call", "correction"]), st.integers(1, 40), clocks)


class ClocksDisagree(TestCase):
    """Processes whose clocks differ leave a ledger that adds up, and never lock an account."""

    @given(history=st.lists(steps, max_size=25))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_random_history(self, history):
        account = AccountFactory()
        corrected: dict[str, int] = {}  # how often, of each call
        for number, (action, credits, hour) in enumerate(history):
            if action == "grant":
                until = NOW + (hour + credits % 12 + 1) * HOUR
                postings = [top_up(account, credits, f"grant-{number}", expires_at=until)]
            elif action == "call" or not corrected:
                corrected[f"call-{number}"] = 0
                postings = [call(account, f"call-{number}", credits)]
            else:
                call_id = min(corrected, key=lambda call_id: corrected[call_id])
                corrected[call_id] += 1
                postings = [correction(account, call_id, credits, number=corrected[call_id])]
            ledger.post(postings=postings, posted_at=NOW + hour * HOUR)
        ledger.expire(account_ids=[account.pk], at=NOW + 40 * HOUR)
        assert breaches(LEDGER) == []
