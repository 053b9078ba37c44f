"""All terms of a plan or of one account's subscription, as a table."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.models import Terms
from billing.money import format_prices
from billing.plans.tariffs import in_force
from billing.plans.terms import TYPICAL_CALLS, typical_charges
from billing.zones import local

AS_AGREED = "as agreed"
TABLE_HEADERS = (
    "",
    "From",
    "Price a cycle",
    "Credits a cycle",
    "Credits per increment",
    *(f"{name} cost" for name in TYPICAL_CALLS),
    "Calls at once",
)


def terms_table(terms: Sequence[Terms], *, now: datetime, zone: tzinfo = UTC) -> dict[str, Any]:
    """Stored ``terms``, latest first, in the shape that Unfold's table component takes."""
    current = in_force(sorted(terms, key=lambda one: one.effective_from), now)
    return {
        "headers": TABLE_HEADERS,
        "rows": [
            [
                _state(one, current, now),
                local(one.effective_from, zone),
                format_prices(one.prices) or AS_AGREED,
                _number(one.credits_per_cycle),
                str(one.tariff),
                *(f"{typical.charge.credits:,}" for typical in typical_charges(one.tariff)),
                _number(one.concurrent_calls),
            ]
            for one in terms
        ],
    }


def _state(terms: Terms, current: Terms | None, now: datetime) -> SafeString | str:
    if terms.effective_from > now:
        name = f"admin:billing_{terms._meta.model_name}_change"
        return format_html(
            '<a href="{}" class="text-link">Planned: change or delete</a>',
            reverse(name, args=[terms.pk]),
        )
    return "In force" if terms == current else "Past"


def _number(value: int | None) -> str:
    return AS_AGREED if value is None else f"{value:,}"
