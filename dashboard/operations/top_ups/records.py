"""What became of each top-up, and what providers told us, to read."""

from datetime import UTC, tzinfo
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from billing.models import PaymentEvent, TopUp
from billing.money import format_money
from dashboard.operations.base import RecordAdmin
from dashboard.operations.top_ups.actions import (
    AskProvider,
    DecideAboutParked,
    RefundTopUp,
    received_in_words,
)


class ParkedFilter(admin.SimpleListFilter):
    """The top-ups that wait for an operator."""

    title = "attention"
    parameter_name = "parked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """One choice."""
        return [("1", "Parked: a payment does not fit")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep those with a reason."""
        return queryset.exclude(parked_reason="") if self.value() == "1" else queryset


@admin.register(TopUp)
class TopUpAdmin(RecordAdmin):
    """Every top-up and where it stands."""

    record_actions = (RefundTopUp, DecideAboutParked, AskProvider)
    list_display = (
        "receipt_number",
        "account",
        "credits",
        "total",
        "state",
        "created_at",
        "attention",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        ParkedFilter,
    )
    list_filter_submit = True
    search_fields = ("payment_id",)
    search_help_text = "Whole payment or checkout ID of the provider"
    identified_by = (
        ("payment_id", False),
        ("checkout_id", False),
        ("received_payment_id", False),
    )
    fields = (
        "account",
        "account_reference",
        "created_by",
        "state",
        "parked_reason",
        "received",
        "received_payment_id",
        "decision",
        "decision_reason",
        "decided_about",
        "failure_reason",
        "credits",
        "total",
        "refunded",
        "refund_reason",
        "refund_failure",
        "disputes",
        "gateway",
        "checkout_id",
        "payment_id",
        "created_at",
        "processing_at",
        "paid_at",
        "credited_at",
        "failed_at",
        "cancelled_at",
        "expired_at",
        "refunded_at",
        "parked_at",
        "decided_at",
        "checked_at",
    )

    @admin.display(description="Receipt")
    def receipt_number(self, top_up: TopUp) -> str:
        """Its number."""
        return top_up.receipt_number

    @admin.display(description="Total with tax")
    def total(self, top_up: TopUp) -> str:
        """What the customer was asked to pay."""
        return format_money(top_up.total_minor, top_up.currency)

    @admin.display(description="Refunded")
    def refunded(self, top_up: TopUp) -> str:
        """What went back."""
        return format_money(top_up.refunded_minor, top_up.paid_currency)

    @admin.display(description="Received")
    def received(self, top_up: TopUp) -> str:
        """What the provider says was paid."""
        return received_in_words(top_up)

    @admin.display(description="Disputes")
    def disputes(self, top_up: TopUp) -> str:
        """Each with its amount and how it stands."""
        return (
            "; ".join(
                f"{format_money(each.amount_minor, top_up.paid_currency)}, {each}"
                for each in top_up.disputes.all()
            )
            or "–"
        )

    @admin.display(description="Attention", boolean=False)
    def attention(self, top_up: TopUp) -> str:
        """Whether an operator has to look."""
        return "Parked" if top_up.parked_reason else "–"


@admin.register(PaymentEvent)
class PaymentEventAdmin(RecordAdmin):
    """What providers told us, and what came of it."""

    list_display = ("event_id", "gateway", "event_type", "received_at", "processed_at", "outcome")
    list_filter = (
        ("gateway", admin.AllValuesFieldListFilter),
        ("processed_at", admin.EmptyFieldListFilter),
    )
    list_select_related = False
    search_fields = ("event_id",)
    search_help_text = "Whole event ID"
    ordering = ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by the whole id."""
        term = search_term.strip()
        return (queryset.filter(event_id=term) if term else queryset), False

    def zone_of(self, record: PaymentEvent) -> tzinfo:
        """UTC: a provider's event may be about no account of ours."""
        return UTC
