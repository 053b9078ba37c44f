"""The table beside the log: what each agent used, sorted, in pages, and as a file."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import StringIO

from django.core.paginator import Page, Paginator

from billing.texts import sheet_text
from calls.usage.by_agent import AgentOrder, AgentUsage, sorted_agents
from calls.usage.paging import DIGITS_MAX, ROWS_PER_PAGE

VIEW = "agents"
COLUMNS = {
    AgentOrder.AGENT: "Agent",
    AgentOrder.CALLS: "Calls",
    AgentOrder.MINUTES: "Minutes",
    AgentOrder.CREDITS: "Credits Used",
    AgentOrder.PER_CALL: "Credits a Call",
    AgentOrder.TREND: "Trend",
}


@dataclass(frozen=True, slots=True)
class AgentsPage:
    """One page of the agents, in ``order``; ``columns`` are what they can be sorted by."""

    order: AgentOrder
    rows: Page[AgentUsage]
    columns: Sequence[tuple[AgentOrder, str]] = tuple(COLUMNS.items())


def read_order(text: str) -> AgentOrder:
    """Read what the address sorts by; the credits used, where it says nothing that exists."""
    return AgentOrder(text) if text in set(AgentOrder) else AgentOrder.CREDITS


def agents_page(agents: Iterable[AgentUsage], *, sort: str, page_number: str) -> AgentsPage:
    """Return the page of ``agents`` that an address names: the nearest that exists."""
    order = read_order(sort)
    pages = Paginator(sorted_agents(agents, order=order), ROWS_PER_PAGE)
    digits = page_number if page_number.isascii() and page_number.isdigit() else "1"
    number = min(max(1, int(digits[:DIGITS_MAX])), pages.num_pages)
    return AgentsPage(order, pages.page(number))


def agents_csv(agents: Iterable[AgentUsage], *, sort: str) -> str:
    """Return all ``agents`` as CSV text."""
    file = StringIO()
    writer = csv.writer(file)
    writer.writerow([*COLUMNS.values(), "Share"])
    for row in sorted_agents(agents, order=read_order(sort)):
        writer.writerow(
            [
                sheet_text(row.agent),
                row.calls,
                row.billed_minutes,
                row.credits_used,
                _decimal(row.credits_per_call, 2),
                _decimal(row.trend, 4),
                _decimal(row.share, 4),
            ]
        )
    return "\ufeff" + file.getvalue()  # the mark tells spreadsheets that the text is UTF-8


def _decimal(number: Fraction | None, digits: int) -> str:
    return "" if number is None else f"{float(number):.{digits}f}"
