"""Any reports of any reporters, in any order, batches and repeats, come to the same calls."""

import random
from collections import defaultdict
from typing import Any

from django.db.models import Sum
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import Balance, Plan
from billing.plans.subscriptions import subscribe
from calls import reporters
from calls.charging import record_calls, try_calls
from calls.models import Call, CallReport, CallSource
from tests.audit import breaches
from tests.calls.calling import NOW, after, record, unanswered
from tests.calls.conftest import SINCE
from tests.factories import AccountFactory

# Each reporter tells its calls by IDs of its own, and some by IDs that others use too. What it says
# of one call is always the same: a later record that differs is a correction, so order matters.
SECONDS = [None, 0, 29.999, 61, 600]
reports: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    reporter=st.sampled_from(["first", "second", "api", "file:vapi", "file:twilio"]),
    call=st.sampled_from(["1", "2", "3"]),
    has_own_id=st.booleans(),
    carrier_id=st.sampled_from(["", "A", "A", "B"]),
    seconds=st.sampled_from(SECONDS),
    minute=st.sampled_from([0, 0, 3]),
)
sets_of_reports = st.lists(
    reports,
    min_size=2,
    max_size=9,
    unique_by=lambda one: (reporters.door(one["reporter"]), call_id_of(one)),
)


def call_id_of(one):
    """Its ID: the reporter's own, or one that others may use for the same call."""
    return f"{one['reporter']}-{one['call']}" if one["has_own_id"] else one["call"]


def expected(told):
    """The groups of reports that are one call each, by a plain reading of the rule."""
    rank = ["first", "second", "api", "file:vapi", "file:twilio"].index
    nodes = defaultdict(list)
    for one in sorted(told, key=lambda one: rank(one["reporter"])):
        nodes[call_id_of(one)].append(one)
    carriers = defaultdict(list)
    for call_id, own in nodes.items():
        carrier = next((one["carrier_id"] for one in own if one["carrier_id"]), "")
        carriers[carrier].append(call_id)
    groups = [[call_id] for call_id in carriers.pop("", [])]
    for call_ids in carriers.values():
        of_each = [{one["reporter"] for one in nodes[call_id]} for call_id in call_ids]
        several = sum(map(len, of_each)) > len(set().union(*of_each))
        groups += [[call_id] for call_id in call_ids] if several else [call_ids]
    result = []
    for group in groups:
        every = [one for call_id in group for one in nodes[call_id]]
        winner = min(every, key=lambda one: rank(one["reporter"]))
        seconds = winner["seconds"]
        cost = 0 if seconds is None else max(1, -int(-seconds // 30))
        result.append((tuple(sorted(group)), winner["reporter"], winner["minute"], cost))
    return sorted(result)


class TheOrderOfReportsChangesNothing(TestCase):
    """Two accounts that are told the same in different orders have the same calls."""

    @given(told=sets_of_reports, seed=st.integers(0, 1_000))
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    def test_random_reports(self, told, seed):
        chance = random.Random(seed)
        wanted = expected(told)
        if len(wanted) < len({call_id_of(one) for one in told}):
            event("some calls were linked")
        for _ in range(2):
            account = AccountFactory()
            subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=SINCE)
            names = self.sources_of(account)
            own = [*told, *chance.sample(told, chance.randint(0, len(told)))]
            chance.shuffle(own)
            while own:
                reporter = own[0]["reporter"]
                size = chance.randint(1, 4)
                batch = [one for one in own if one["reporter"] == reporter][:size]
                for one in batch:
                    own.remove(one)
                self.tell(account, names[reporter], batch)
            assert breaches() == []
            self.check(account, names, wanted)

    def sources_of(self, account):
        names = {name: name for name in ("api", "file:vapi", "file:twilio")}
        for position, name in enumerate(["first", "second"], 1):
            source = CallSource.objects.create(
                account=account, kind="vapi", name=name, position=position, created_at=NOW
            )
            names[name] = reporters.of_source(source.pk)
        return names

    def tell(self, account, reporter, batch):
        records = [as_record(account, one) for one in batch]
        foretold = try_calls(records=records, now=NOW, reporter=reporter)
        before = Balance.objects.get(account=account).credits
        outcomes = record_calls(records=records, now=NOW, reporter=reporter)
        assert outcomes == foretold
        used = sum(outcome.credits for outcome in outcomes)
        assert Balance.objects.get(account=account).credits == before - used

    def check(self, account, names, wanted):
        reporter_of = {own: name for name, own in names.items()}
        standing = Call.objects.filter(account=account, withdrawn_at=None)
        reports = CallReport.objects.filter(account=account)
        found = []
        for call in standing:
            own = {one.call_id for one in reports if one.linked_call_id == call.call_id}
            minute = (call.started_at - after(0)).seconds // 60
            found.append(
                (
                    tuple(sorted(own or {call.call_id})),
                    reporter_of[call.reporter],
                    minute,
                    call.credits,
                )
            )
        assert sorted(found) == wanted
        used = sum(cost for *_, cost in wanted)
        days = account.daily_usage.aggregate(calls=Sum("calls"), used=Sum("credits_used"))
        assert days == {"calls": len(wanted), "used": used}
        assert Balance.objects.get(account=account).credits == 1_500 - used


def as_record(account, one):
    more = {"carrier_id": one["carrier_id"], "started_at": after(60 * one["minute"])}
    if one["seconds"] is None:
        return unanswered(account, call_id_of(one), ended_at=None, **more)
    return record(account, call_id_of(one), one["seconds"], **more)
