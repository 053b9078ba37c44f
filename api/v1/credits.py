"""Credits: the balance, by grant and at an instant, and every movement."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.problems import at_parameter
from api.v1 import shown
from api.v1.base import ApiView
from api.v1.paging import paged, position_in
from api.v1.queries import BalanceQuery, LedgerQuery, asked_for_days, instant_in, period_in
from api.v1.shapes import credits as shapes
from billing import clock
from billing.ledger.balances import BalanceThen, GrantLeft, balance_at, balance_of, grants_left
from billing.models import CreditGrant, Scope
from billing.snapshot import snapshot
from calls.usage.movements import movements


class LedgerView(ApiView):
    """Movements of credits."""

    scopes = {"GET": Scope.CREDITS_READ}

    @extend_schema(
        operation_id="list_ledger",
        tags=["Balance"],
        summary="Every movement of credits",
        parameters=[LedgerQuery],
        responses=shapes.EntryList,
    )
    def get(self, request: Request) -> Response:
        """The latest booked first; of days that are asked for the newest first, as in the call
        log: a movement counts on the day on which it happened. Movements are never changed: what
        was wrong is corrected by another one. `balance_after` follows the order of their `seq`.
        """
        query = LedgerQuery.of(request)
        position = position_in(query, "entries")
        if position is not None and len(position) != (2 if asked_for_days(query) else 1):
            raise at_parameter("cursor", "This is from a list in another order: begin anew.")
        with snapshot():
            part = movements(
                account=self.account,
                period=period_in(query, self.account) if asked_for_days(query) else None,
                kind=query.get("kind", ""),
                after=position,
                limit=query["limit"],
            )
        return paged(request, "entries", list(map(shown.entry, part.rows)), after=part.after)


class BalanceView(ApiView):
    """What the account has."""

    scopes = {"GET": Scope.CREDITS_READ}
    not_in_etag = ("at",)

    @extend_schema(
        operation_id="get_balance",
        tags=["Balance"],
        summary="What the account has, or had",
        parameters=[BalanceQuery],
        responses=shapes.Balance,
    )
    def get(self, request: Request) -> Response:
        """Available credits, debt, and each grant with its end."""
        at = instant_in(BalanceQuery.of(request), "at")
        now = clock.now()
        with snapshot():
            if at is None:
                balance = balance_of(self.account)
                left = grants_left(account=self.account, now=now)
                found = {"available": balance.credits, "debt": balance.debt}
                grants: list[dict[str, Any]] | None = list(map(grant, left))
            else:
                then: BalanceThen = balance_at(account=self.account, at=at)
                found = {"available": then.credits, "debt": then.debt}
                grants = None if then.grants is None else list(map(grant, then.grants))
        return Response({"at": shown.instant(at or now), **found, "grants": grants})


def grant(one: CreditGrant | GrantLeft) -> dict[str, Any]:
    """What a grant has left."""
    return {
        "grant": one.seq,
        "source": one.source,
        "credits": one.credits,
        "remaining": one.remaining,
        "granted_at": shown.instant(one.granted_at),
        "expires_at": shown.instant_or_none(one.expires_at),
    }
