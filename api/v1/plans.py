"""Plans on offer, and the account's own."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1 import shown
from api.v1.base import ApiView
from api.v1.credits import grant
from api.v1.queries import NoQuery
from api.v1.shapes import plans as shapes
from billing import clock
from billing.models import Scope, Terms
from billing.plans.granting import cycle_of, next_credits
from billing.plans.offers import PlanOffer, plan_offers
from billing.plans.overview import subscription_page
from billing.plans.tariffs import TariffBook
from billing.snapshot import snapshot


class PlansView(ApiView):
    """What is on offer."""

    scopes = {"GET": Scope.TOPUPS_WRITE}

    @extend_schema(
        operation_id="list_plans",
        tags=["Plans"],
        summary="Plans on offer",
        responses=shapes.PlanList,
    )
    def get(self, request: Request) -> Response:
        """What Pricing Plans shows: the account's own plan with the terms agreed with it."""
        NoQuery.of(request)
        now, account = clock.now(), self.account
        with snapshot():
            book = TariffBook([account.pk])
            offers = plan_offers(
                agreement=book.find(account.pk, now),
                upcoming=book.upcoming(account.pk, after=now),
                now=now,
            )
        return Response({"plans": [_offer(offer, account.currency) for offer in offers]})


class SubscriptionView(ApiView):
    """What the account has agreed to."""

    scopes = {"GET": Scope.TOPUPS_WRITE}

    @extend_schema(
        operation_id="get_subscription",
        tags=["Plans"],
        summary="The account’s plan",
        responses=shapes.Subscription,
    )
    def get(self, request: Request) -> Response:
        """What Subscription shows: the plan, its cycle, what comes next, and what is left."""
        NoQuery.of(request)
        now, account = clock.now(), self.account
        with snapshot():
            book = TariffBook([account.pk])
            agreement = book.find(account.pk, now)
            page = subscription_page(account=account, agreement=agreement, now=now)
            cycle = cycle_of(book=book, account_id=account.pk, at=now)
            coming = next_credits(book=book, account_id=account.pk, now=now)
            upcoming = book.upcoming(account.pk, after=now)
        return Response(
            {
                "plan": agreement.plan.name if agreement else None,
                "is_custom": page.is_custom,
                "terms": _terms(agreement.terms if agreement else None, account.currency),
                "cycle": {
                    "starts_at": shown.instant(cycle.starts_at),
                    "ends_at": shown.instant(cycle.ends_at),
                }
                if cycle
                else None,
                "next_credits": {"at": shown.instant(coming.at), "credits": coming.credits}
                if coming
                else None,
                "typical_calls": list(map(shown.typical, page.examples)),
                "decided_changes": [
                    {
                        "at": shown.instant(change.at),
                        "plan": change.agreement.plan.name,
                        "terms": shown.terms(change.agreement.terms, account.currency),
                    }
                    for change in upcoming
                ],
                "grants": [grant(each) for each in page.credits if each.remaining],
                "history": [
                    {
                        "plan": past.plan.name,
                        "effective_from": shown.instant(past.effective_from),
                    }
                    for past in page.history
                ],
            }
        )


def _offer(offer: PlanOffer, currency: str) -> dict[str, Any]:
    return {
        "name": offer.plan.name,
        "description": offer.plan.description,
        "is_current": offer.is_current,
        "yours_from": shown.instant_or_none(offer.yours_from),
        "terms": _terms(offer.terms, currency),
        "next_terms": _terms(offer.next_terms, currency),
        "typical_calls": list(map(shown.typical, offer.examples)),
    }


def _terms(terms: Terms | None, currency: str) -> dict[str, Any] | None:
    return None if terms is None else shown.terms(terms, currency)
