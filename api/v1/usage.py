"""Usage: totals, days and agents, by the selectors of the pages."""

from operator import attrgetter
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.problems import at_parameter
from api.v1 import shown
from api.v1.base import ApiView
from api.v1.paging import paged, position_in
from api.v1.queries import AgentsQuery, FilteredQuery, filters_in, period_in
from api.v1.shapes import usage as shapes
from billing.ledger.balances import balance_of
from billing.models import Scope
from billing.models.ledger import USAGE_TYPES
from billing.snapshot import snapshot
from calls.usage.bars import Bar, days_of
from calls.usage.by_agent import usage_of_agents
from calls.usage.counts import counted_by_day
from calls.usage.periods import Period


class UsageView(ApiView):
    """Something that is read of usage."""

    scopes = {"GET": Scope.USAGE_READ}

    def days(self, query: dict[str, Any]) -> tuple[Period, list[Bar]]:
        """The days that were asked for, with what was counted on each."""
        period = period_in(query, self.account)
        filters = filters_in(query)
        counted = counted_by_day(account=self.account, period=period, filters=filters)
        return period, days_of(period=period, counted=counted)


class SummaryView(UsageView):
    """Totals."""

    @extend_schema(
        operation_id="usage_summary",
        tags=["Usage"],
        summary="Totals of days",
        parameters=[FilteredQuery],
        responses=shapes.Summary,
    )
    def get(self, request: Request) -> Response:
        """The numbers on top of Call Usage & Credits. Without days: the last seven."""
        query = FilteredQuery.of(request)
        with snapshot():
            period, days = self.days(query)
            balance = balance_of(self.account)
        return Response(
            {
                "period": shown.period(period),
                "total_calls": sum(day.calls for day in days),
                "credits_used": sum(day.credits_used for day in days),
                "credits_used_by_type": {
                    name: sum(day.by_type[name] for day in days) for name, _ in USAGE_TYPES
                },
                "credits_added": sum(day.credits_added - day.credits_removed for day in days),
                "billed_seconds": sum(day.billed_seconds for day in days),
                "available_credits": balance.credits,
            }
        )


class DailyView(UsageView):
    """Days."""

    @extend_schema(
        operation_id="usage_daily",
        tags=["Usage"],
        summary="Every day of a period",
        parameters=[FilteredQuery],
        responses=shapes.Daily,
    )
    def get(self, request: Request) -> Response:
        """Days without calls are there, with zeros. Without days: the last seven."""
        query = FilteredQuery.of(request)
        with snapshot():
            period, days = self.days(query)
        return Response({"period": shown.period(period), "days": list(map(shown.day, days))})


class AgentsView(UsageView):
    """Agents."""

    @extend_schema(
        operation_id="usage_agents",
        tags=["Usage"],
        summary="What each agent used",
        parameters=[AgentsQuery],
        responses=shapes.AgentList,
    )
    def get(self, request: Request) -> Response:
        """By name. Without days: the last seven."""
        query = AgentsQuery.of(request)
        position, limit = position_in(query, "agents"), query["limit"]
        if position is not None and (len(position) != 1 or not isinstance(position[0], str)):
            raise at_parameter("cursor", "Begin anew.")
        with snapshot():
            period = period_in(query, self.account)
            used = usage_of_agents(
                account=self.account, period=period, filters=filters_in(query), found=None, newer=()
            )
        after = position[0] if position else None
        agents = sorted(
            (one for one in used if after is None or one.agent > after),
            key=attrgetter("agent"),
        )
        rows = [
            {
                "agent": one.agent,
                "calls": one.calls,
                "credits_used": one.credits_used,
                "billed_seconds": one.billed_seconds,
            }
            for one in agents[:limit]
        ]
        next_after = [rows[-1]["agent"]] if len(agents) > limit else None
        return paged(request, "agents", rows, after=next_after, period=shown.period(period))
