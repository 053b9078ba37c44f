"""Calls: recorded, listed, looked at, withdrawn."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.problems import Problem, at_parameter
from api.v1 import shown
from api.v1.base import ApiView
from api.v1.calls.recording import record_body
from api.v1.calls.withdrawing import named, withdraw
from api.v1.paging import paged, position_in
from api.v1.queries import (
    CallsQuery,
    NoQuery,
    asked_for_days,
    filters_in,
    instant_in,
    period_in,
)
from api.v1.shapes import calls as shapes
from billing import clock
from billing.models import Scope
from billing.snapshot import snapshot
from calls.usage.call import call_page, other_id_of
from calls.usage.calls import CallsPart, call_found, changed_calls, newest_calls, passes


class CallsView(ApiView):
    """All calls of the account."""

    scopes = {"POST": Scope.CALLS_WRITE, "GET": Scope.CALLS_READ}

    @extend_schema(
        operation_id="record_calls",
        tags=["Calls"],
        summary="Record one call, or up to 1,000",
        request=shapes.CallRecord,
        responses=shapes.Recorded,
    )
    def post(self, request: Request) -> Response:
        """Each record has an outcome of its own: `created`, `unchanged`, `corrected`, `linked` or
        `rejected`, with the field and the reason. So the answer is 200 also where records were
        rejected. A call is charged once: send a request again whole if its answer did not arrive.
        """
        NoQuery.of(request)
        return Response(record_body(self.body(), account_id=self.account.pk, now=clock.now()))

    @extend_schema(
        operation_id="list_calls",
        tags=["Calls"],
        summary="List calls",
        parameters=[CallsQuery],
        responses=shapes.CallList,
    )
    def get(self, request: Request) -> Response:
        """The newest first; with `changed_since`, the earliest change first."""
        query = CallsQuery.of(request)
        after = position_in(query, "calls")
        with snapshot():
            part = self._part(query, after)
        calls = [shown.call(call) for call in part.calls]
        return paged(request, "calls", calls, after=part.after)

    def _part(self, query: dict[str, Any], after: list[Any] | None) -> CallsPart:
        account, filters = self.account, filters_in(query)
        status, limit = query.get("status", ""), query["limit"]
        since = instant_in(query, "changed_since")
        if "call_id" in query:
            period = period_in(query, account) if asked_for_days(query) else None
            found = call_found(account=account, call_id=query["call_id"])
            fits = found is not None and passes(found, filters, status, period)
            return CallsPart([found] if found is not None and fits else [], None)
        if since is not None:
            if asked_for_days(query):
                raise at_parameter("changed_since", "Ask for days or for changes: not for both.")
            return changed_calls(
                account=account,
                filters=filters,
                since=since,
                status=status,
                after=_numbers(after, 3),
                limit=limit,
            )
        return newest_calls(
            account=account,
            filters=filters,
            period=period_in(query, account) if asked_for_days(query) else None,
            status=status,
            after=_numbers(after, 2),
            limit=limit,
        )


class CallView(ApiView):
    """One call."""

    scopes = {"GET": Scope.CALLS_READ}

    @extend_schema(
        operation_id="get_call",
        tags=["Calls"],
        summary="Look at one call",
        responses=shapes.CallInFull,
    )
    def get(self, request: Request, call_id: str) -> Response:
        """Its charge explained, its movements, and which credits paid it.

        A call is found by its ID, by that which another system gives it, and by the carrier’s
        own, unless several calls have that one.
        """
        NoQuery.of(request)
        with snapshot():
            page = call_page(account=self.account, call_id=call_id)
            other = None if page else other_id_of(account=self.account, call_id=call_id)
            if other:
                page = call_page(account=self.account, call_id=other)
        if page is None or page.call is None:
            raise Problem("not-found", "The account has no call with this ID.")
        return Response(shown.call_in_full(page))


class WithdrawView(ApiView):
    """One call that should not be there."""

    scopes = {"POST": Scope.CALLS_WRITE, "GET": Scope.CALLS_READ}

    @extend_schema(
        operation_id="withdraw_call",
        tags=["Calls"],
        summary="Withdraw a call",
        request=shapes.Withdrawal,
        responses=shapes.Call,
    )
    def post(self, request: Request, call_id: str) -> Response:
        """A call that a program recorded, within 30 days. It costs and counts nothing then, stays
        visible as withdrawn, and the same ID may come again. Doing it twice changes nothing.
        """
        NoQuery.of(request)
        call = withdraw(account=self.account, call_id=call_id, body=self.body(), now=clock.now())
        return Response(shown.call(call))

    @extend_schema(exclude=True)
    def get(self, request: Request, call_id: str) -> Response:
        """Look at a call whose ID happens to end like this address."""
        named(self.account, f"{call_id}/withdraw")
        page = call_page(account=self.account, call_id=f"{call_id}/withdraw")
        assert page is not None
        return Response(shown.call_in_full(page))


def _numbers(position: list[Any] | None, length: int) -> list[int] | None:
    """A position of so many numbers; that of another order of the list is refused."""
    if position is not None and len(position) != length:
        raise at_parameter("cursor", "This is from a list in another order: begin anew.")
    return position
