"""The top-ups that an operator may have to do something about, to count and to list."""

from collections.abc import Mapping

from django.db.models import F, Q, QuerySet, TextChoices

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


def open_disputes() -> QuerySet[Dispute]:
    """The disputes that nobody has decided, the one to be answered first before all others."""
    undecided = Dispute.objects.filter(status__in=Dispute.UNDECIDED)
    return undecided.order_by(F("due_by").asc(nulls_last=True), "pk")
