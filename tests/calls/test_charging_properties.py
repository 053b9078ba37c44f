"""Random histories of calls against a plain model: a dictionary of calls, and a sum.

Records arrive in any order, twice, corrected, revised, in batches of any mix; meanwhile plans
change, credits are topped up and expire, imports and single calls are withdrawn and come again.
The model knows only what a call costs, which record of it counts and who brought it; the audit must
find the database clean, and of the same opinion.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any

from django.db.models import Sum
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import Plan, PlanTerms
from billing.plans.subscriptions import renew, subscribe
from calls.charging import Result, record_calls, try_calls
from calls.models import Call
from calls.withdrawing import has_calls, overtaken_calls, withdraw_calls, withdraw_import
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, after, record, unanswered
from tests.factories import AccountFactory
from tests.movements import post, top_up
from tests.properties import examples

DAY = timedelta(days=1)
TARIFFS = {"Base": (60, 2), "Professional": (30, 1)}

known_calls: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    account=st.sampled_from([0, 0, 0, 1]),
    call_id=st.sampled_from("abc"),
    seconds=st.sampled_from([None, 0, 29.999, 30, 61, 600]),  # None: not answered
    started=st.sampled_from([0, 0, 0, 1, -5, 20]),  # days after STARTED_AT
    agent=st.sampled_from(["", "Asha"]),
    revision=st.sampled_from([None, None, None, 0, 1, 2]),
)
imports = st.sampled_from([7, 8])
batches = st.tuples(
    st.just("record"), st.tuples(st.none() | imports, st.lists(known_calls, min_size=2, max_size=8))
)
withdrawn_imports = st.tuples(st.just("take back"), imports)
withdrawn_calls = st.tuples(st.just("withdraw"), st.lists(st.sampled_from("abc"), max_size=2))
plan_changes = st.tuples(st.just("plan"), st.sampled_from(list(TARIFFS)))
price_changes = st.tuples(st.just("price"), st.just(None))
top_ups = st.tuples(st.just("top up"), st.integers(1, 50))
waits = st.tuples(st.just("wait"), st.sampled_from([1, 20, 400]))
actions = batches | batches | batches | plan_changes | price_changes | top_ups | waits
actions |= withdrawn_imports | withdrawn_imports | withdrawn_calls
histories = st.lists(actions, min_size=6, max_size=16)

# Two calls that imports and sources change in turns, so that much is restored and kept.
same_calls: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    account=st.just(0),
    call_id=st.sampled_from("ab"),
    seconds=st.sampled_from([None, 0, 61, 600]),
    started=st.sampled_from([0, 0, 1]),
    agent=st.sampled_from(["", "Asha"]),
    revision=st.sampled_from([None, None, 0, 1]),
)
turns = st.tuples(
    st.just("record"), st.tuples(st.none() | imports, st.lists(same_calls, min_size=1, max_size=3))
)
histories_of_imports = st.lists(
    turns | turns | turns | withdrawn_imports | withdrawn_calls, min_size=5, max_size=15
)


@dataclass
class Known:
    """A call that counts. ``layers`` are its charge and its corrections: the record that counted
    after each, the tariff it was rated by, and the import that brought it. ``overtaken`` are the
    imports that something else came after, and which import that was."""

    layers: list
    last_import: int | None
    overtaken: list = field(default_factory=list)

    @property
    def record(self):
        return self.layers[-1][0]

    @property
    def cost(self):
        record, tariff, _ = self.layers[-1]
        return cost(record, tariff)

    def change(self, record, tariff, import_id):
        """Take a later record in. One whose revision alone is newer makes no layer."""
        known, *frozen = self.layers[-1]
        if record == known:
            return
        if {**record, "revision": None} == {**known, "revision": None}:
            self.layers[-1] = (record, *frozen)
        else:
            self.layers.append((record, tariff, import_id))
        if self.last_import not in (None, import_id):
            self.overtaken.append((self.last_import, import_id))
        self.last_import = import_id

    def take_back(self, import_id):
        """Undo the import's latest layers; return whether any is left."""
        while self.layers and self.layers[-1][2] == import_id:
            self.layers.pop()
        self.last_import = None
        if self.overtaken and self.overtaken[-1][1] == import_id:
            self.last_import, _ = self.overtaken.pop()
        return bool(self.layers)


@dataclass
class Model:
    """What should be: the record that counts of each call, and the tariff it was rated by."""

    plans: list  # (day since, increment, credits per increment)
    calls: dict = field(default_factory=dict)
    withdrawn: set = field(default_factory=set)

    def tariff(self, started):
        """Of the latest plan that had begun; before the first, the first."""
        begun = [plan for plan in self.plans if plan[0] <= started]
        return (begun[-1] if begun else self.plans[0])[1:]

    def record(self, batch, import_id):
        """Take a batch in: first find the record of each call that counts, then rate it."""
        told: dict[tuple[int, str], Any] = {}
        for one in batch:
            key = (one["account"], one["call_id"])
            call = self.calls.get(key)
            known = told.get(key) or (call and call.record)
            told[key] = newest(one, known) if known else one
        for key, one in told.items():
            call = self.calls.get(key)
            if call is None:
                layer = (one, self.tariff(one["started"]), import_id)
                self.calls[key] = Known([layer], import_id)
                self.withdrawn.discard(key)
                continue
            _, tariff, _ = call.layers[-1]
            if call.record["started"] != one["started"]:
                tariff = self.tariff(one["started"])
            call.change(one, tariff, import_id)

    def take_back(self, account, import_id):
        """Undo what an import did last to calls of an account; return the numbers."""
        withdrawn = restored = credits = 0
        for key, call in list(self.calls.items()):
            if key[0] == account and call.last_import == import_id:
                layers = len(call.layers)
                credits += call.cost
                if call.take_back(import_id):
                    credits -= call.cost
                    restored += len(call.layers) < layers
                else:
                    withdrawn += 1
                    self.withdraw(key)
        return withdrawn, restored, credits

    def withdraw(self, key):
        """Forget a call, and that its ID was withdrawn."""
        if self.calls.pop(key, None):
            self.withdrawn.add(key)

    def overtaken(self, account, import_id):
        """The calls of an account that taking back the import keeps."""
        return sorted(
            call_id
            for (owner, call_id), call in self.calls.items()
            if owner == account and import_id in (one for one, _ in call.overtaken)
        )

    def credits(self, account=None):
        """What the calls cost, of one account or of all."""
        return sum(call.cost for (owner, _), call in self.calls.items() if account in (None, owner))


def newest(one, known):
    """Which of two records of a call counts, as it will be remembered."""
    before, after = known["revision"], one["revision"]
    if None not in (before, after) and after < before:
        return known
    is_newer = after is not None and (before is None or after > before)
    if not is_newer and abs(one["started"] - known["started"]) > 1:
        return known  # another call with a reused ID
    return {**one, "revision": before if after is None else after}


def cost(facts, tariff):
    if facts["seconds"] is None:
        return 0
    increment, price = tariff
    return max(1, ceil(facts["seconds"] / increment)) * price


def as_record(accounts, told):
    more = {
        "agent": told["agent"],
        "started_at": STARTED_AT + told["started"] * DAY,
        "revised_at": None if told["revision"] is None else after(told["revision"]),
        "now": NOW + 1_000 * DAY,
    }
    account = accounts[told["account"]]
    if told["seconds"] is None:
        return unanswered(account, told["call_id"], **more)
    return record(account, told["call_id"], told["seconds"], **more)


class CallsFollowTheModel(TestCase):
    """Any history ends in the state of the model, and with a clean audit."""

    @given(history=histories)
    @examples(15)
    def test_random_history(self, history):
        self.follow(history)

    @given(history=histories_of_imports)
    @examples(15)
    def test_random_history_of_imports(self, history):
        self.follow(history)

    def follow(self, history):
        """Do all of it, and check after each step."""
        accounts = [AccountFactory(time_zone=zone) for zone in ("Asia/Kolkata", "Europe/London")]
        model = Model([(-10, 30, 1)])
        prices = dict(TARIFFS)
        plan = "Professional"
        day = 0
        for account in accounts:
            self.change_plan(account, plan, -10)
        for action, detail in history:
            if action == "record":
                self.record(accounts, model, detail, day)
            elif action == "take back":
                self.take_back(accounts, model, detail, day)
            elif action == "withdraw":
                self.withdraw(accounts, model, detail, day)
            elif action == "plan" and detail != plan and day > model.plans[-1][0]:
                plan = detail
                for account in accounts:
                    self.change_plan(account, plan, day)
                model.plans.append((day, *prices[plan]))
            elif action == "price" and day > 0:
                self.change_prices(model, prices, day)
            elif action == "top up":
                self.top_up(accounts, detail, day)
            elif action == "wait":
                day += detail
                for account in accounts:
                    renew(account=account, now=NOW + day * DAY)
            self.check(accounts, model)

    def record(self, accounts, model, batch, day):
        """Record a batch, and hold the outcomes against what it changed in the model, and against
        what was foretold."""
        import_id, told = batch
        calls, credits = len(model.calls), model.credits()
        model.record(told, import_id)
        records = [as_record(accounts, one) for one in told]
        now = NOW + day * DAY
        foretold = try_calls(records=records, now=now, import_id=import_id)
        outcomes = record_calls(records=records, now=now, import_id=import_id)
        assert foretold == outcomes
        if any(call.times_withdrawn and not call.withdrawn_at for call in Call.objects.all()):
            event("a withdrawn call came again")
        results = [outcome.result for outcome in outcomes]
        assert results.count(Result.CREATED) == len(model.calls) - calls
        assert sum(outcome.credits for outcome in outcomes) == model.credits() - credits

    def take_back(self, accounts, model, import_id, day):
        """Take an import back, two calls at a time, from each account."""
        for number, account in enumerate(accounts):
            key = {"account_id": account.pk, "import_id": import_id}
            expected = model.take_back(number, import_id)
            slices = [withdraw_import(**key, now=NOW + day * DAY, limit=2)]
            while slices[-1].more:
                slices.append(withdraw_import(**key, now=NOW + day * DAY, limit=2))
            done = [(one.withdrawn, one.restored, one.credits) for one in slices]
            assert tuple(map(sum, zip(*done, strict=True))) == expected
            for name, happened in zip(("withdrawn", "restored"), expected, strict=False):
                if happened:
                    event(f"calls of an import were {name}")
            if slices[-1].kept:
                event("calls of an import were kept")
            assert not has_calls(**key)
            assert overtaken_calls(**key) == model.overtaken(number, import_id)
            assert slices[-1].kept == len(model.overtaken(number, import_id))

    def withdraw(self, accounts, model, call_ids, day):
        """Withdraw calls of the first account."""
        standing = [call for key, call in model.calls.items() if key in {(0, i) for i in call_ids}]
        done = withdraw_calls(
            account_id=accounts[0].pk, call_ids=call_ids, reason="Test", now=NOW + day * DAY
        )
        assert (done.withdrawn, done.credits) == (
            len(standing),
            sum(call.cost for call in standing),
        )
        for call_id in call_ids:
            model.withdraw((0, call_id))

    def change_plan(self, account, name, day):
        plan = Plan.objects.get(name=name)
        subscribe(account=account, plan=plan, at=STARTED_AT + day * DAY)

    def change_prices(self, model, prices, day):
        """Operators make every plan dearer from today on; what was charged stays."""
        current = model.plans[-1]
        if current[0] == day:
            return
        for name, (increment, price) in prices.items():
            prices[name] = (increment, price + 1)
            PlanTerms.objects.create(
                plan=Plan.objects.get(name=name),
                effective_from=STARTED_AT + day * DAY,
                credits_per_cycle=100,
                increment_seconds=increment,
                credits_per_increment=price + 1,
            )
        model.plans.append((day, current[1], current[2] + 1))

    def top_up(self, accounts, credits, day):
        for account in accounts:
            post(top_up(account, credits), at=NOW + day * DAY)

    def check(self, accounts, model):
        stored = Call.objects.filter(account__in=accounts)
        assert {
            (call.account_id, call.call_id): call.credits
            for call in stored
            if call.withdrawn_at is None
        } == {
            (accounts[owner].pk, call_id): call.cost
            for (owner, call_id), call in model.calls.items()
        }
        assert {
            (call.account_id, call.call_id) for call in stored if call.withdrawn_at is not None
        } == {(accounts[owner].pk, call_id) for owner, call_id in model.withdrawn}
        for number, account in enumerate(accounts):
            days = account.daily_usage.aggregate(
                used=Sum("credits_used", default=0), calls=Sum("calls", default=0)
            )
            counted = sum(owner == number for owner, _ in model.calls)
            assert days == {"used": model.credits(number), "calls": counted}
        assert breaches() == []
