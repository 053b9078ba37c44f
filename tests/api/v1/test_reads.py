"""The reads of the API against page and export: every figure is the same, from the same rows."""

import csv
import io
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from billing.models import Account, Plan, Scope, User
from tests.api.v1.conftest import CALLS, Program, key_of, pointers, record
from tests.clock import StopClock
from tests.dashboard.conftest import NOW, call, correction, goodwill, post, top_up

V1 = "/api/v1/"
USAGE = "/a/acme/billing/usage/"
QUERIES = [
    {},
    {"period": "today"},
    {"period": "last_30_days"},
    {"period": "this_cycle", "agent": "Asha"},
    {"from": "2026-11-10", "to": "2026-11-20", "usage_type": "inbound"},
]


@pytest.fixture
def busy(account: Account, program: Program) -> Account:
    """Two weeks of everything."""
    movements: list[Any] = []
    for number in range(24):
        at = NOW - timedelta(hours=13 * number)
        usage_type = ("outbound", "inbound", "translation")[number % 3]
        agent = ("Asha", "", "Ravi")[number % 3]
        movements.append(
            call(account, f"call-{number:03}", number % 5, at, usage_type=usage_type, agent=agent)
        )
    movements += [
        top_up(account, 40, NOW - timedelta(days=3)),
        correction(account, "call-003", -1, agent="Asha"),
        goodwill(account, 25, expires_at=NOW + timedelta(days=30)),
    ]
    post(*movements)
    program.post(f"{CALLS}call-004/withdraw/", {"reason": "A test"})
    return account


@pytest.fixture
def person(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def exported(person: Client, query: dict[str, str]) -> list[dict[str, str]]:
    response: Any = person.get(USAGE + "export.csv", query)
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_summary_and_days_are_those_of_page_and_export(
    program: Program, person: Client, query: dict[str, str]
) -> None:
    page = person.get(USAGE, query).context["usage"]
    rows = exported(person, query)
    summary = program.get(f"{V1}usage/summary/", query).json()
    daily = program.get(f"{V1}usage/daily/", query).json()
    assert summary["total_calls"] == page.totals.total_calls
    assert summary["credits_used"] == page.totals.credits_used
    assert summary["available_credits"] == page.totals.available_credits
    assert summary["credits_used"] == sum(int(row["Credits Used"]) for row in rows)
    assert summary["credits_added"] == sum(int(row["Credits Added"]) for row in rows)
    assert summary["billed_seconds"] == sum(int(row["Billed seconds"]) for row in rows)
    assert summary["period"] == daily["period"]
    by_day: dict[str, int] = defaultdict(int)
    for row in rows:
        by_day[row["Date & Time (Asia/Kolkata)"][:10]] += int(row["Credits Used"])
    assert [(day["day"], day["calls"], day["credits_used"]) for day in daily["days"]] == [
        (bar.first_day.isoformat(), bar.calls, bar.credits_used) for bar in page.bars
    ]
    assert [day["credits_added"] for day in daily["days"]] == [
        bar.credits_added - bar.credits_removed for bar in page.bars
    ]
    assert {day["day"]: day["credits_used"] for day in daily["days"] if day["credits_used"]} == {
        day: used for day, used in by_day.items() if used
    }
    for name, used in summary["credits_used_by_type"].items():
        assert used == sum(day["credits_used_by_type"][name] for day in daily["days"])


@pytest.mark.usefixtures("busy")
def test_days_are_days_however_long_the_period(program: Program) -> None:
    query = {"from": "2026-01-01", "to": "2026-11-23"}
    assert len(program.get(f"{V1}usage/daily/", query).json()["days"]) == 327


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_agents_are_the_parts_of_the_summary(
    program: Program, person: Client, query: dict[str, str]
) -> None:
    agents = program.all(f"{V1}usage/agents/", "agents", {**query, "limit": 1})
    summary = program.get(f"{V1}usage/summary/", query).json()
    assert sum(one["calls"] for one in agents) == summary["total_calls"]
    assert sum(one["credits_used"] for one in agents) == summary["credits_used"]
    for one in agents:
        if one["agent"] and "agent" not in query:
            shown = person.get(USAGE, {**query, "agent": one["agent"]}).context["usage"].totals
            assert (one["calls"], one["credits_used"]) == (shown.total_calls, shown.credits_used)


@pytest.mark.usefixtures("busy")
def test_calls_without_an_agent_can_be_asked_for(program: Program) -> None:
    program.post(CALLS, [record("named", agent="none")])
    query = {"from": "2026-11-01", "to": "2026-11-23"}
    unnamed = [one for one in program.all(CALLS, "calls", query) if not one["agent"]]
    asked = {**query, "no_agent": "true"}
    assert program.all(CALLS, "calls", {**asked, "limit": 1}) == unnamed
    since = {"changed_since": NOW.isoformat(), "no_agent": "true"}
    assert sorted(one["call_id"] for one in program.all(CALLS, "calls", since)) == sorted(
        one["call_id"] for one in unnamed
    )
    [agent] = program.all(f"{V1}usage/agents/", "agents", asked)
    summary = program.get(f"{V1}usage/summary/", asked).json()
    assert agent["agent"] == ""
    assert (agent["calls"], agent["credits_used"]) == (
        summary["total_calls"],
        summary["credits_used"],
    )
    assert program.all(CALLS, "calls", {**query, "no_agent": "false"}) == program.all(
        CALLS, "calls", query
    )
    refused = program.get(CALLS, {"no_agent": "true", "agent": "Asha"})
    assert (refused.status_code, pointers(refused)) == (400, ["no_agent"])


@pytest.mark.parametrize("letter", ["a", "आ", "🙂"])
def test_agents_with_long_names_are_listed_in_parts_too(program: Program, letter: str) -> None:
    names = sorted(f"{letter * 99}{number}" for number in range(3))
    program.post(CALLS, [record(name[-1], agent=name) for name in names])
    agents = program.all(f"{V1}usage/agents/", "agents", {"limit": 1})
    assert [one["agent"] for one in agents] == names


@pytest.mark.usefixtures("busy")
def test_calls_of_days_are_as_many_as_the_page_counts(program: Program, person: Client) -> None:
    query = {"period": "last_7_days"}
    calls = program.all(CALLS, "calls", {**query, "limit": 3})
    standing = [one for one in calls if one["withdrawn_at"] is None]
    assert len(standing) == person.get(USAGE, query).context["usage"].totals.total_calls
    rows = exported(person, query)
    used: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["Call ID"]:
            used[row["Call ID"]] += int(row["Credits Used"])
    assert {one["call_id"]: one["charge"]["credits"] for one in calls} == used


@pytest.mark.usefixtures("busy")
def test_the_ledger_is_all_rows_of_the_export(program: Program, person: Client) -> None:
    entries = program.all(f"{V1}ledger/", "entries", {"limit": 7})
    seqs = [one["seq"] for one in entries]
    assert seqs == list(range(len(seqs), 0, -1))
    rows = exported(person, {"from": "2026-01-01", "to": "2026-12-31"})
    assert sorted(
        (one["credits_used"], one["credits_added"], one["remarks"]) for one in entries
    ) == (sorted((int(r["Credits Used"]), int(r["Credits Added"]), r["Remarks"]) for r in rows))
    balance = 0
    for one in reversed(entries):
        balance += one["credits_added"] - one["credits_used"]
        assert one["balance_after"] == balance
    top_ups = program.all(f"{V1}ledger/", "entries", {"kind": "top_up"})
    assert [one["credits_added"] for one in top_ups] == [40]
    for query in ({"period": "today"}, {"from": "2026-11-10", "to": "2026-11-20"}):
        of_days = program.all(f"{V1}ledger/", "entries", {**query, "limit": 3})
        assert of_days
        assert [(one["credits_used"], one["credits_added"], one["remarks"]) for one in of_days] == [
            (int(row["Credits Used"]), int(row["Credits Added"]), row["Remarks"])
            for row in exported(person, query)
        ]


@pytest.mark.usefixtures("busy")
def test_the_balance_is_that_of_the_pages(program: Program, person: Client) -> None:
    balance = program.get(f"{V1}balance/").json()
    page = person.get("/a/acme/billing/subscription/").context["page"]
    assert balance["available"] == person.get(USAGE).context["usage"].totals.available_credits
    assert [(one["grant"], one["remaining"]) for one in balance["grants"]] == [
        (one.seq, one.remaining) for one in page.credits
    ]
    assert balance["available"] == sum(one["remaining"] for one in balance["grants"])
    assert balance["debt"] == 0


def test_an_instant_without_a_value_is_refused_and_not_taken_for_now(program: Program) -> None:
    response = program.get(f"{V1}balance/", {"at": ""})
    assert (response.status_code, list(pointers(response))) == (400, ["at"])


def test_the_balance_of_an_instant_is_what_was_booked_then(
    program: Program, stop_clock: StopClock
) -> None:
    seen = []
    for hour in range(6):
        at = NOW + timedelta(hours=hour)
        stop_clock(at)
        started_at = at.isoformat()
        answer = program.post(
            CALLS,
            [
                record(
                    f"c{hour}",
                    started_at=started_at,
                    connected_at=started_at,
                    ended_at=(at + timedelta(minutes=hour)).isoformat(),
                )
            ],
        )
        assert answer.json()["counts"]["created"] == 1
        seen.append((at, program.get(f"{V1}balance/").json()))
    stop_clock(NOW + timedelta(hours=7))
    for at, then in seen:
        found = program.get(f"{V1}balance/", {"at": at.isoformat()}).json()
        assert found == {**then, "at": at.isoformat().replace("+00:00", "Z")}
    before = program.get(f"{V1}balance/", {"at": "2026-11-01T00:00:00Z"}).json()
    assert (before["available"], before["debt"], before["grants"]) == (0, 0, [])


def test_debt_is_told(program: Program, default_plans: None, other_account: Account) -> None:
    post(call(other_account, "c1", 7, NOW - timedelta(hours=1)))
    balance = Program(key_of(other_account).secret).get(f"{V1}balance/").json()
    assert (balance["available"], balance["debt"], balance["grants"]) == (-7, 7, [])


def test_plans_and_subscription_are_those_of_the_pages(
    program: Program, person: Client, professional: Plan
) -> None:
    offers = person.get("/a/acme/billing/plans/").context["offers"]
    plans = program.get(f"{V1}plans/").json()["plans"]
    assert [(one["name"], one["is_current"]) for one in plans] == [
        (offer.plan.name, offer.is_current) for offer in offers
    ]
    for one, offer in zip(plans, offers, strict=True):
        if offer.terms is not None:
            assert one["terms"]["price_minor"] == offer.terms.price_in("INR")
            assert one["terms"]["credits_per_cycle"] == offer.terms.credits_per_cycle
    response = person.get("/a/acme/billing/subscription/")
    frame = response.context["frame"]
    subscription = program.get(f"{V1}subscription/").json()
    assert subscription["plan"] == "Professional"
    assert subscription["terms"]["increment_seconds"] == 30
    assert datetime.fromisoformat(subscription["next_credits"]["at"]) == frame.next_credits.at
    assert datetime.fromisoformat(subscription["cycle"]["ends_at"]) == frame.cycle.ends_at
    assert [one["remaining"] for one in subscription["grants"]] == [1_500]
    assert subscription["history"][0]["plan"] == "Professional"


def test_an_account_without_anything_can_be_read(now: datetime, other_account: Account) -> None:
    program = Program(key_of(other_account).secret)
    assert program.get(f"{V1}subscription/").json()["plan"] is None
    assert program.get(f"{V1}balance/").json()["available"] == 0
    assert program.get(f"{V1}balance/", {"at": NOW.isoformat()}).json()["grants"] == []
    assert program.get(f"{V1}ledger/").json()["entries"] == []
    assert program.get(f"{V1}ledger/", {"period": "today"}).json()["entries"] == []
    assert program.get(f"{V1}usage/summary/").json()["total_calls"] == 0
    refused = program.get(f"{V1}usage/summary/", {"period": "this_cycle"})
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("usage/summary/", Scope.USAGE_READ),
        ("usage/daily/", Scope.USAGE_READ),
        ("usage/agents/", Scope.USAGE_READ),
        ("ledger/", Scope.CREDITS_READ),
        ("balance/", Scope.CREDITS_READ),
        ("plans/", Scope.TOPUPS_WRITE),
        ("subscription/", Scope.TOPUPS_WRITE),
        ("top-ups/", Scope.TOPUPS_WRITE),
        ("calls/", Scope.CALLS_READ),
    ],
)
def test_every_read_needs_its_scope(program_with: Any, path: str, scope: Scope) -> None:
    assert program_with(scope).get(V1 + path).status_code == 200
    others = [other for other in Scope if other is not scope]
    response = program_with(*others).get(V1 + path)
    assert response.status_code == 403
    assert scope.value in response.json()["detail"]


def test_times_are_in_utc(program: Program) -> None:
    started_at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC) - timedelta(hours=5, minutes=30)
    program.post(CALLS, record(started_at="2026-11-23T15:00:00+05:30"))
    shown = program.get(f"{CALLS}c1/").json()["started_at"]
    assert shown == started_at.isoformat().replace("+00:00", "Z")
