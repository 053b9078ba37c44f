"""Random histories of calls against a plain model: a dictionary of calls, and a sum.

Records arrive in any order, twice, corrected, revised, in batches of any mix; meanwhile plans
change, credits are topped up and expire. The model knows only what a call costs and which record
of it counts; the audit must find the database clean, and of the same opinion.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import Plan, PlanTerms
from billing.plans.subscriptions import renew, subscribe
from calls.charging import Result, record_calls
from calls.models import Call
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, after, record, unanswered
from tests.factories import AccountFactory
from tests.movements import post, top_up

DAY = timedelta(days=1)
TARIFFS = {"Base": (60, 2), "Professional": (30, 1)}

known_calls: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    account=st.integers(0, 1),
    call_id=st.sampled_from("abcde"),
    seconds=st.sampled_from([None, 0, 29.999, 30, 61, 600]),  # None: not answered
    started=st.sampled_from([-5, 0, 1, 20]),  # days after STARTED_AT
    agent=st.sampled_from(["", "Asha"]),
    revision=st.none() | st.integers(0, 5),
)
batches = st.tuples(st.just("record"), st.lists(known_calls, max_size=8))
plan_changes = st.tuples(st.just("plan"), st.sampled_from(list(TARIFFS)))
price_changes = st.tuples(st.just("price"), st.just(None))
top_ups = st.tuples(st.just("top up"), st.integers(1, 50))
waits = st.tuples(st.just("wait"), st.sampled_from([1, 20, 400]))
actions = batches | batches | plan_changes | price_changes | top_ups | waits
histories = st.lists(actions, max_size=10)


@dataclass
class Model:
    """What should be: the record that counts of each call, and the tariff it was rated by."""

    plans: list  # (day since, increment, credits per increment)
    calls: dict = field(default_factory=dict)

    def tariff(self, started):
        """Of the latest plan that had begun; before the first, the first."""
        begun = [plan for plan in self.plans if plan[0] <= started]
        return (begun[-1] if begun else self.plans[0])[1:]

    def record(self, batch):
        """Take a batch in: first find the record of each call that counts, then rate it."""
        told: dict[tuple[int, str], Any] = {}
        for one in batch:
            key = (one["account"], one["call_id"])
            known = told.get(key) or self.calls.get(key, (None,))[0]
            told[key] = one if known is None else newest(one, known)
        for key, one in told.items():
            before, tariff = self.calls.get(key, (None, None))
            if before is None or before["started"] != one["started"]:
                tariff = self.tariff(one["started"])
            self.calls[key] = (one, tariff)

    def credits(self, account=None):
        """What the calls cost, of one account or of all."""
        return sum(
            cost(one, tariff)
            for (owner, _), (one, tariff) in self.calls.items()
            if account in (None, owner)
        )


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
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_random_history(self, history):
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

    def record(self, accounts, model, told, day):
        """Record a batch, and hold the outcomes against what it changed in the model."""
        calls, credits = len(model.calls), model.credits()
        model.record(told)
        outcomes = record_calls(
            records=[as_record(accounts, one) for one in told], now=NOW + day * DAY
        )
        results = [outcome.result for outcome in outcomes]
        assert results.count(Result.CREATED) == len(model.calls) - calls
        assert sum(outcome.credits for outcome in outcomes) == model.credits() - credits

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
        assert {(call.account_id, call.call_id): call.credits for call in stored} == {
            (accounts[owner].pk, call_id): cost(one, tariff)
            for (owner, call_id), (one, tariff) in model.calls.items()
        }
        for number, account in enumerate(accounts):
            used = sum(account.daily_usage.values_list("credits_used", flat=True))
            assert used == model.credits(number)
        assert breaches() == []
