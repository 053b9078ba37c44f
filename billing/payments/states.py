"""Where a top-up stands: one function of its rows, and the same in SQL for lists and filters.

Rule: "Money that goes back". Only sums and statuses count, so neither the order in which a provider
tells things nor anybody's clock changes the result.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Least

from billing.models import Dispute, Payment, Refund, Review, TopUp, TopUpState

S = TopUpState
# What `standing_of` reads, for lists.
ROWS = ("payments__refunds", "payments__disputes", "payments__reviews")
# The payment failed, nobody paid, or an operator closed it: what was ordered is ordered anew.
ENDED = (S.FAILED, S.CANCELLED, S.EXPIRED, S.CLOSED)

_ENDS = {Payment.Status.FAILED: S.FAILED, Payment.Status.CANCELLED: S.CANCELLED}
_Row = TypeVar("_Row", Payment, Review)


@dataclass(frozen=True, slots=True)
class Money:
    """What a payment was, and what of it went back, in minor units.

    ``paid_minor`` is what was paid, or has to be. ``refunded_minor`` is the sum of refunds that
    stand, ``disputed_minor`` that of open disputes, ``lost_minor`` what lost disputes have cost.
    """

    paid_minor: int
    currency: str
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0

    @property
    def paid_back_minor(self) -> int:
        """What the customer has got back, by refunds and by disputes that they won."""
        return min(self.refunded_minor + self.lost_minor, self.paid_minor)

    @property
    def gone_minor(self) -> int:
        """What of the payment is not there: paid back, or held until a dispute is decided."""
        return min(self.refunded_minor + self.lost_minor + self.disputed_minor, self.paid_minor)

    @property
    def kept_minor(self) -> int:
        """What the customer has paid after all."""
        return self.paid_minor - self.paid_back_minor


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a top-up stands, with the payment that decides about it, and its newest review.

    ``open_review`` waits for an operator. It can be that of another payment of the top-up: one
    that was made although the top-up had been paid.
    """

    top_up: TopUp
    state: TopUpState
    payment: Payment | None
    money: Money
    review: Review | None
    open_review: Review | None = None

    @property
    def is_paid_as_asked(self) -> bool:
        """Whether the payment is of the total that was asked for: price and tax add up to it."""
        asked_for = (self.top_up.total_minor, self.top_up.currency)
        return (self.money.paid_minor, self.money.currency) == asked_for

    @property
    def refund_reason(self) -> str:
        """Why money was paid back, as an operator said it last; empty where nobody did."""
        made = [each for each in _refunds(self.payment) if each.status in Refund.STANDING]
        return next((each.reason for each in reversed(made) if each.reason), "")

    @property
    def refund_failure(self) -> str:
        """Why the newest refund did not reach the customer; empty where it did, or may."""
        newest = next(iter(reversed(_refunds(self.payment))), None)
        return newest.failure_reason if newest is not None else ""


def standing_of(top_up: TopUp) -> Standing:
    """Where ``top_up`` stands. No query where `ROWS` are prefetched."""
    payments = list(top_up.payments.all())
    payment = deciding(payments)
    review = _newest(payment.reviews.all()) if payment is not None else None
    money = money_of(payment) if payment else Money(top_up.total_minor, top_up.currency)
    waiting = [each for one in payments for each in one.reviews.all() if not each.decision]
    state = _state(payment, review, money)
    return Standing(top_up, state, payment, money, review, open_review=_newest(waiting))


def state_of(top_up: TopUp) -> TopUpState:
    """The state that pages show."""
    return standing_of(top_up).state


def standings(top_ups: Iterable[TopUp]) -> list[Standing]:
    """Where each of ``top_ups`` stands."""
    return [standing_of(top_up) for top_up in top_ups]


def deciding(payments: Iterable[Payment]) -> Payment | None:
    """The payment that decides: the credited one, else one that was paid, else the newest."""
    return max(
        payments,
        key=lambda each: (
            each.credited_at is not None,
            each.status == Payment.Status.PAID,
            each.number,
        ),
        default=None,
    )


def money_of(payment: Payment) -> Money:
    """What ``payment`` was, and what of it went back."""
    is_paid = payment.amount_minor is not None
    disputes = list(payment.disputes.all())
    of_status = Dispute.Status
    return Money(
        paid_minor=payment.amount_minor if is_paid else payment.top_up.total_minor,  # type: ignore[arg-type]
        currency=payment.currency if is_paid else payment.top_up.currency,
        refunded_minor=sum(
            each.amount_minor for each in _refunds(payment) if each.status in Refund.STANDING
        ),
        disputed_minor=sum(each.amount_minor for each in disputes if each.status == of_status.OPEN),
        lost_minor=sum(
            each.amount_minor - each.returned_minor
            for each in disputes
            if each.status == of_status.LOST
        ),
    )


def _state(payment: Payment | None, review: Review | None, money: Money) -> TopUpState:
    if payment is None:
        return S.UNOPENED
    is_under_review = review is not None and not review.decision
    is_closed = review is not None and review.decision == Review.Decision.CLOSED
    if payment.status == Payment.Status.PAID:
        if money.paid_back_minor >= money.paid_minor:
            return S.REFUNDED
        if payment.credited_at is None:
            return S.CHECKING if is_under_review else S.CLOSED if is_closed else S.PAID
        if money.disputed_minor:
            return S.DISPUTED
        return S.PARTLY_REFUNDED if money.paid_back_minor else S.CREDITED
    if review is not None and is_under_review and not _has_ended_since(payment, review.created_at):
        return S.CHECKING
    if is_closed:
        return S.CLOSED
    if payment.status == Payment.Status.PROCESSING:
        return S.PROCESSING
    if payment.status in (Payment.Status.OPEN, Payment.Status.FAILED) and not payment.checkout_id:
        return S.UNOPENED
    if payment.status == Payment.Status.OPEN:
        return S.PENDING
    return _ENDS.get(Payment.Status(payment.status), S.EXPIRED)


def _has_ended_since(payment: Payment, at: datetime) -> bool:
    return payment.ended_at is not None and payment.ended_at > at


def _refunds(payment: Payment | None) -> list[Refund]:
    return list(payment.refunds.all()) if payment is not None else []


def _newest(rows: Iterable[_Row]) -> _Row | None:
    return max(rows, key=lambda each: each.pk, default=None)


# ── The same in SQL ───────────────────────────────────────────────────────────────────────────
def with_state(top_ups: QuerySet[TopUp]) -> QuerySet[Any]:
    """Annotate ``state``: what `state_of` computes, to filter and to list by."""
    payments = Payment.objects.filter(top_up=OuterRef("pk")).order_by(
        Case(When(credited_at__isnull=False, then=0), default=1),
        Case(When(status=Payment.Status.PAID, then=0), default=1),
        "-number",
    )
    reviews = Review.objects.filter(payment=OuterRef("_payment")).order_by("-pk")
    refunds = Refund.objects.filter(payment=OuterRef("_payment"), status__in=Refund.STANDING)
    disputes = Dispute.objects.filter(payment=OuterRef("_payment"))
    lost = disputes.filter(status=Dispute.Status.LOST)
    named = {
        name: Subquery(payments.values(field)[:1])
        for name, field in {
            "_payment": "pk",
            "_status": "status",
            "_credited_at": "credited_at",
            "_ended_at": "ended_at",
            "_checkout_id": "checkout_id",
            "_paid": "amount_minor",
        }.items()
    }
    return (
        top_ups.alias(**named)
        .alias(
            _review=Subquery(reviews.values("pk")[:1]),
            _reviewed_since=Subquery(reviews.values("created_at")[:1]),
            _decision=Subquery(reviews.values("decision")[:1]),
            _paid_back=Least(
                ExpressionWrapper(
                    _sum(refunds, F("amount_minor"))
                    + _sum(lost, F("amount_minor") - F("returned_minor")),
                    output_field=BigIntegerField(),
                ),
                F("_paid"),
                output_field=BigIntegerField(),
            ),
            _is_disputed=Exists(
                disputes.filter(status=Dispute.Status.OPEN, amount_minor__gt=0),
                output_field=BooleanField(),
            ),
        )
        .annotate(state=_STATE)
    )


def _sum(rows: QuerySet[Any], amount: Any) -> Coalesce:
    """The sum of ``amount`` over rows of one payment, 0 where there are none."""
    summed = Sum(amount, output_field=BigIntegerField())
    of_payment = rows.order_by().values("payment").annotate(sum=summed).values("sum")
    return Coalesce(Subquery(of_payment), 0, output_field=BigIntegerField())


_UNDER_REVIEW = Q(_review__isnull=False, _decision="")
_STATE = Case(
    When(_payment__isnull=True, then=Value(S.UNOPENED)),
    When(_status="paid", _paid_back__gte=F("_paid"), then=Value(S.REFUNDED)),
    When(Q(_status="paid", _credited_at__isnull=True) & _UNDER_REVIEW, then=Value(S.CHECKING)),
    When(_status="paid", _credited_at__isnull=True, _decision="closed", then=Value(S.CLOSED)),
    When(_status="paid", _credited_at__isnull=True, then=Value(S.PAID)),
    When(_status="paid", _is_disputed=True, then=Value(S.DISPUTED)),
    When(_status="paid", _paid_back__gt=0, then=Value(S.PARTLY_REFUNDED)),
    When(_status="paid", then=Value(S.CREDITED)),
    When(
        _UNDER_REVIEW & (Q(_ended_at__isnull=True) | Q(_ended_at__lte=F("_reviewed_since"))),
        then=Value(S.CHECKING),
    ),
    When(_decision="closed", then=Value(S.CLOSED)),
    When(_status="processing", then=Value(S.PROCESSING)),
    When(_status__in=["open", "failed"], _checkout_id="", then=Value(S.UNOPENED)),
    When(_status="open", then=Value(S.PENDING)),
    When(_status="failed", then=Value(S.FAILED)),
    When(_status="cancelled", then=Value(S.CANCELLED)),
    default=Value(S.EXPIRED),
)
