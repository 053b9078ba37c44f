"""Top-ups: begun by a program, paid by a person at the provider's page."""

import logging
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.problems import Problem, at_parameter, at_pointer
from api.v1 import shown
from api.v1.base import ApiView
from api.v1.paging import paged, position_in
from api.v1.queries import NoQuery, PagedQuery
from api.v1.shapes import top_ups as shapes
from billing import clock
from billing.models import Scope, TopUp, TopUpState
from billing.payments.gateways import GatewayError, RefusedError
from billing.payments.pricing import TopUpError
from billing.payments.programs import KeyReusedError, begin_top_up
from billing.payments.states import ROWS, standing_of
from billing.plans.closed import AccountClosedError
from billing.snapshot import snapshot

KEY_HEADER = "Idempotency-Key"
KEY_LENGTH_MAX = 255

logger = logging.getLogger(__name__)


class TopUpsView(ApiView):
    """The account's top-ups."""

    scopes = {"GET": Scope.TOPUPS_WRITE, "POST": Scope.TOPUPS_WRITE}

    @extend_schema(
        operation_id="list_top_ups",
        tags=["Top-ups"],
        summary="List top-ups",
        parameters=[PagedQuery],
        responses=shapes.TopUpList,
    )
    def get(self, request: Request) -> Response:
        """The newest first."""
        query = PagedQuery.of(request)
        position, limit = position_in(query, "top_ups"), query["limit"]
        found = TopUp.objects.filter(account=self.account).order_by("-id")
        if position is not None:
            if len(position) != 1:
                raise at_parameter("cursor", "Begin anew.")
            found = found.filter(Q(id__lt=position[0]))
        with snapshot():
            rows = list(found.prefetch_related(*ROWS)[: limit + 1])
        after = [rows[limit - 1].pk] if len(rows) > limit else None
        return paged(request, "top_ups", list(map(_shown, rows[:limit])), after=after)

    @extend_schema(
        operation_id="begin_top_up",
        tags=["Top-ups"],
        summary="Begin a top-up",
        parameters=[
            OpenApiParameter(
                KEY_HEADER,
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                required=True,
                description="A text that you make up for this top-up. With the same text nothing "
                "is begun twice.",
            )
        ],
        request=shapes.NewTopUp,
        responses=shapes.TopUp,
    )
    def post(self, request: Request) -> Response:
        """Nothing is paid by this: open `payment_url` in a browser. Credits come once the provider
        confirms the payment.
        """
        NoQuery.of(request)
        key = _idempotency_key(request)
        credits = _credits_in(self.body())
        maker = self.key.created_by
        try:
            top_up = begin_top_up(
                account=self.account,
                credits=credits,
                idempotency_key=key,
                email=maker.email if maker is not None else "",
                return_url=f"{settings.SITE_URL}{settings.TOP_UP_PAGE}".replace(
                    "{slug}", self.account.slug
                ),
                now=clock.now(),
            )
        except KeyReusedError as error:
            raise Problem(
                "unusable", error.message, errors=[{"header": KEY_HEADER, "detail": error.message}]
            ) from None
        except AccountClosedError as error:
            raise Problem("conflict", error.message) from None
        except TopUpError as error:
            raise at_pointer("/credits", error.message) from None
        except RefusedError as error:
            logger.error("No payment page for %s, refused: %s", self.account.slug, error)
            raise Problem(
                "provider", "It did not accept this payment. Nothing was charged."
            ) from None
        except GatewayError as error:
            logger.warning("No payment page for %s: %s", self.account.slug, error)
            raise Problem(
                "unavailable",
                "The payment provider could not be reached. Nothing was charged: send the request "
                "again with the same key.",
                headers={"Retry-After": "30"},
            ) from None
        return Response(_shown(top_up))


class TopUpView(ApiView):
    """One top-up."""

    scopes = {"GET": Scope.TOPUPS_WRITE}

    @extend_schema(
        operation_id="get_top_up",
        tags=["Top-ups"],
        summary="Look at one top-up",
        responses=shapes.TopUp,
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        """Where it stands."""
        NoQuery.of(request)
        found = TopUp.objects.filter(account=self.account, public_id=public_id)
        with snapshot():
            top_up = found.prefetch_related(*ROWS).first()
        if top_up is None:
            raise Problem("not-found", "The account has no such top-up.")
        return Response(_shown(top_up))


def _idempotency_key(request: Request) -> str:
    key = request.headers.get(KEY_HEADER, "").strip()
    if key and len(key) <= KEY_LENGTH_MAX:
        return key
    detail = (
        f"Send the header {KEY_HEADER}: a text of your own, of 1 to {KEY_LENGTH_MAX} characters."
    )
    raise Problem("bad-request", detail, errors=[{"header": KEY_HEADER, "detail": detail}])


def _credits_in(body: object) -> int:
    credits = body.get("credits") if isinstance(body, dict) else None
    if isinstance(credits, bool) or not isinstance(credits, int):
        raise at_pointer("/credits", "Say how many credits: a whole number.")
    assert isinstance(body, dict)
    if set(body) != {"credits"}:
        raise at_pointer("", "Only credits are taken here.")
    return credits


def _shown(top_up: TopUp) -> dict[str, Any]:
    standing = standing_of(top_up)
    payment = standing.payment
    is_pending = standing.state == TopUpState.PENDING and payment is not None
    return {
        "id": str(top_up.public_id),
        "receipt_number": top_up.receipt_number,
        "state": standing.state.value,
        "credits": top_up.credits,
        "price_minor": top_up.price_minor,
        "tax_minor": top_up.tax_minor,
        "total_minor": top_up.total_minor,
        "currency": top_up.currency,
        "created_at": shown.instant(top_up.created_at),
        "paid_at": shown.instant_or_none(payment.paid_at if payment is not None else None),
        "payment_url": payment.checkout_url if is_pending and payment is not None else None,
    }
