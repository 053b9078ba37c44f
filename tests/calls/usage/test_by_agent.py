"""What each agent used: the same sums as the tiles, under any filter, import, search and state."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from billing.ledger.balances import balance_of
from billing.models import Account
from calls.usage.by_agent import AgentOrder, AgentUsage, sorted_agents
from calls.usage.filters import NO_AGENT, UsageFilters
from calls.usage.report import UsageReport, usage_report
from tests.calls.usage.test_report import period_of
from tests.dashboard.conftest import NOW, call, correction, post, top_up

pytestmark = pytest.mark.django_db

WEEK = period_of("2026-11-17", "2026-11-23")


def read(account: Account, **filters: Any) -> UsageReport:
    return usage_report(
        account=account, period=WEEK, filters=UsageFilters(**filters), agents_wanted=True
    )


def used(report: UsageReport) -> dict[str, tuple[int, int]]:
    return {row.agent: (row.calls, row.credits_used) for row in report.by_agent}


@pytest.fixture
def busy(account: Account) -> Account:
    post(
        top_up(account, 900, NOW - timedelta(days=20)),
        *(
            call(
                account,
                f"call-{n}",
                1 + n % 3,
                NOW - timedelta(hours=9 * n),
                agent=("Asha", "Ravi", "")[n % 3],
                usage_type=("outbound", "inbound")[n % 2],
            )
            for n in range(36)
        ),
        correction(
            account, "call-3", 4, NOW - timedelta(hours=27), agent="Asha", usage_type="inbound"
        ),
    )
    return account


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"usage_type": "inbound"},
        {"agent": "Ravi"},
        {"agent": NO_AGENT},
        {"kind": "correction"},
        {"call_id": "CALL-1"},
    ],
    ids=["all", "type", "agent", "no agent", "kind", "search"],
)
def test_together_they_are_the_tiles(busy: Account, filters: dict[str, str]):
    report = read(busy, **filters)
    assert report.by_agent
    totals = report.totals
    assert sum(row.calls for row in report.by_agent) == totals.total_calls
    assert sum(row.credits_used for row in report.by_agent) == totals.credits_used
    minutes = sum(row.billed_seconds for row in report.by_agent)
    assert minutes == sum(bar.billed_seconds for bar in report.bars)
    assert sum(row.share or 0 for row in report.by_agent) == 1


def test_each_is_what_its_filter_shows(busy: Account):
    of_all = used(read(busy))
    assert set(of_all) == {"Asha", "Ravi", ""}
    for agent, numbers in of_all.items():
        filtered = read(busy, agent=agent or NO_AGENT)
        assert used(filtered) == {agent: numbers}
        assert (filtered.totals.total_calls, filtered.totals.credits_used) == numbers


def test_they_are_of_the_state_that_is_shown(busy: Account):
    before, until = used(read(busy)), balance_of(busy).last_seq
    post(
        call(busy, "new", 9, NOW - timedelta(days=1), agent="Zoë"),
        correction(busy, "call-4", 5, NOW - timedelta(hours=36), agent="Ravi"),
    )
    assert used(read(busy, until_seq=until)) == before
    assert used(read(busy))["Zoë"] == (1, 9)


def test_the_trend_is_against_as_many_days_before(account: Account):
    post(
        call(account, "a", 6, NOW, agent="Asha"),
        call(account, "b", 4, NOW - timedelta(days=7), agent="Asha"),
        call(account, "c", 40, NOW - timedelta(days=14), agent="Asha"),
        call(account, "d", 5, NOW, agent="Ravi"),
        call(account, "e", 5, NOW - timedelta(days=7), agent="Gone"),
    )
    trends = {row.agent: row.trend for row in read(account).by_agent}
    assert trends == {"Asha": Fraction(1, 2), "Ravi": None}


def test_credits_alone_are_of_no_agent(account: Account):
    post(top_up(account, 900, NOW))
    assert read(account).by_agent == []


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("agent", ["asha", "Bea", "Cy"]),
        ("calls", ["Cy", "asha", "Bea"]),
        ("credits", ["Bea", "asha", "Cy"]),
        ("per_call", ["Bea", "asha", "Cy"]),
        ("trend", ["asha", "Cy", "Bea"]),
    ],
)
def test_they_are_sorted(order: str, names: list[str]):
    agents = [
        AgentUsage("Bea", 1, 30, 60, used_before=None, share=None),
        AgentUsage("Cy", 9, 9, 60, used_before=9, share=None),
        AgentUsage("asha", 1, 20, 60, used_before=10, share=None),
    ]
    assert [row.agent for row in sorted_agents(agents, order=AgentOrder(order))] == names
