"""What was sold: the top-ups of all accounts that were paid and credited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet, Sum

from billing.models import Payment


@dataclass(frozen=True, slots=True)
class Sales:
    """``paid_minor`` is what was paid for the ``credits``, tax included, by currency in minor
    units. What went back to customers since is not taken off."""

    top_ups: int
    credits: int
    paid_minor: Mapping[str, int]


def credited_between(since: datetime, until: datetime) -> QuerySet[Payment]:
    """The payments whose credits were added from ``since`` on and before ``until``."""
    return Payment.objects.filter(credited_at__gte=since, credited_at__lt=until)


def sold(*, since: datetime, until: datetime) -> Sales:
    """Sum what was sold from ``since`` on and before ``until``; one query."""
    rows = (
        credited_between(since, until)
        .order_by("currency")
        .values_list("currency")
        .annotate(
            top_ups=Count("pk"), credits=Sum("top_up__credits"), paid_minor=Sum("amount_minor")
        )
    )
    found = list(rows)
    return Sales(
        top_ups=sum(row[1] for row in found),
        credits=sum(int(row[2]) for row in found),
        paid_minor={row[0]: int(row[3]) for row in found},
    )
