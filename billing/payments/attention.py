"""The top-ups that an operator may have to do something about, to count and to list."""

from collections.abc import Mapping

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum, TextChoices

from billing.models import Dispute, Payment, Refund, TopUp


class Attention(TextChoices):
    """Why somebody may have to look."""

    REVIEW = "review", "Waits for a decision"
    REFUSED = "refused", "The provider opened no page"
    DISPUTE = "dispute", "A dispute or inquiry is open"
    REFUND = "refund", "A refund failed or is not known"


_CONDITIONS: Mapping[Attention, Q] = {
    Attention.REVIEW: Q(payments__reviews__decision=""),
    Attention.REFUSED: Q(payments__status=Payment.Status.FAILED, payments__checkout_id=""),
    Attention.DISPUTE: Q(payments__disputes__status__in=Dispute.UNDECIDED),
    Attention.REFUND: Q(
        payments__refunds__status__in=[
            Refund.Status.FAILED,
            Refund.Status.REQUESTED,
            Refund.Status.UNKNOWN,
        ]
    ),
}


def needing(attention: Attention) -> QuerySet[TopUp]:
    """The top-ups that need ``attention``, each once."""
    found = TopUp.objects.filter(_CONDITIONS[attention])
    return TopUp.objects.filter(pk__in=found.values("pk"))


def disputed() -> QuerySet[TopUp]:
    """The top-ups in dispute, the one to be answered first before all others.

    Each has the sum of its disputes that nobody has decided, ``disputed_minor``, in the currency
    that was paid in, ``disputed_in``; how many these are, ``open_disputes``; and the earliest
    ``due_by``, None where none is known.
    """
    found = TopUp.objects.filter(_CONDITIONS[Attention.DISPUTE]).annotate(
        disputed_minor=Sum("payments__disputes__amount_minor"),
        disputed_in=Max("payments__currency"),
        open_disputes=Count("payments__disputes"),
        due_by=Min("payments__disputes__due_by"),
    )
    return found.order_by(F("due_by").asc(nulls_last=True), "pk")
