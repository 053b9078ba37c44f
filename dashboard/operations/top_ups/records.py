"""What became of each top-up, and what providers told us, to read."""

from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from billing.models import Dispute, Payment, PaymentEvent, Refund, Review, TopUp, TopUpState
from billing.money import format_money
from billing.payments.attention import Attention, needing
from billing.payments.sales import credited_between
from billing.payments.states import ROWS, standing_of, state_of, with_state
from billing.zones import local
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ChosenFilter, MonthFilter, Rows
from dashboard.operations.months import Month
from dashboard.operations.top_ups.actions import (
    AskProvider,
    DecideAboutReview,
    RefundTopUp,
    received_in_words,
)


def _needing(attention: Attention) -> Rows:
    return lambda now: needing(attention)


class AttentionFilter(ChosenFilter):
    """The top-ups that an operator may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {each.value: (str(each.label), _needing(each)) for each in Attention}


class CreditedFilter(MonthFilter):
    """The top-ups whose credits were added in a month."""

    title = "credited in"
    parameter_name = "credited"

    def in_month(self, month: Month) -> Q:
        payments = credited_between(month.starts_at, month.ends_at)
        return Q(pk__in=payments.values("top_up"))


class StateFilter(admin.SimpleListFilter):
    """The top-ups in one state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Every state."""
        return TopUpState.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep those in the state."""
        if self.value() not in TopUpState.values:
            return queryset
        return with_state(queryset).filter(state=self.value())


@admin.register(TopUp)
class TopUpAdmin(RecordAdmin):
    """Every top-up and where it stands."""

    record_actions = (RefundTopUp, DecideAboutReview, AskProvider)
    list_display = (
        "receipt_number",
        "account",
        "credits",
        "total",
        "standing",
        "created_at",
        "attention",
    )
    list_filter = (
        ("account", AutocompleteSelectFilter),
        StateFilter,
        AttentionFilter,
        CreditedFilter,
    )
    list_filter_submit = True
    search_fields = ("public_id",)
    search_help_text = "Whole payment, checkout, refund or dispute ID of the provider"
    fields = (
        "account",
        "created_by",
        "standing",
        "credits",
        "total",
        "received",
        "payments",
        "refunds",
        "disputes",
        "reviews",
        "created_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """With the rows that say where each stands."""
        found: QuerySet = super().get_queryset(request).prefetch_related(*ROWS)
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        """Find by an id of the provider, through the indexes."""
        term = search_term.strip()
        if not term:
            return queryset, False
        gateway = list(settings.PAYMENT_GATEWAYS)
        payments = {
            *Payment.objects.filter(
                Q(gateway__in=gateway, checkout_id=term) | Q(gateway__in=gateway, payment_id=term)
            ).values_list("top_up", flat=True),
            *Review.objects.filter(received_payment_id=term).values_list(
                "payment__top_up", flat=True
            ),
            *Refund.objects.filter(gateway__in=gateway, refund_id=term).values_list(
                "payment__top_up", flat=True
            ),
            *Dispute.objects.filter(gateway__in=gateway, dispute_id=term).values_list(
                "payment__top_up", flat=True
            ),
        }
        return queryset.filter(pk__in=payments), False

    @admin.display(description="Receipt")
    def receipt_number(self, top_up: TopUp) -> str:
        """Its number."""
        return top_up.receipt_number

    @admin.display(description="Total with tax")
    def total(self, top_up: TopUp) -> str:
        """What the customer was asked to pay."""
        return format_money(top_up.total_minor, top_up.currency)

    @admin.display(description="State")
    def standing(self, top_up: TopUp) -> str:
        """Where it stands."""
        return str(state_of(top_up).label)

    @admin.display(description="Received")
    def received(self, top_up: TopUp) -> str:
        """What the provider says was paid."""
        standing = standing_of(top_up)
        return received_in_words(standing.payment, standing.review)

    @admin.display(description="Payments")
    def payments(self, top_up: TopUp) -> SafeString | str:
        """Each attempt: how it stands, why it failed, and the ids that the provider knows."""
        zone = top_up.account.zone
        return _lines(
            _joined(
                f"{each.number}. {each.get_status_display()}",
                each.failure_reason,
                each.gateway,
                each.checkout_id and f"checkout {each.checkout_id}",
                each.payment_id and f"payment {each.payment_id}",
                *(
                    at and f"{word} {local(at, zone)}"
                    for word, at in (
                        ("begun", each.created_at),
                        ("on its way", each.processing_at),
                        ("paid", each.paid_at),
                        ("credited", each.credited_at),
                        ("ended", each.ended_at),
                        ("asked", each.checked_at),
                        ("to be asked again", each.next_check_at),
                    )
                ),
            )
            for each in top_up.payments.all()
        )

    @admin.display(description="Refunds")
    def refunds(self, top_up: TopUp) -> SafeString | str:
        """Each with its amount, how it stands, and why."""
        currency = standing_of(top_up).money.currency
        return _lines(
            _joined(
                format_money(each.amount_minor, currency),
                each.get_status_display(),
                each.refund_id,
                each.provider_status,
                each.reason,
                each.failure_reason,
                local(each.created_at, top_up.account.zone),
            )
            for payment in top_up.payments.all()
            for each in payment.refunds.all()
        )

    @admin.display(description="Disputes")
    def disputes(self, top_up: TopUp) -> SafeString | str:
        """Each with its amount, how it stands, and until when it can be answered."""
        currency, zone = standing_of(top_up).money.currency, top_up.account.zone
        return _lines(
            _joined(
                format_money(each.amount_minor, currency),
                each.get_status_display(),
                each.dispute_id,
                each.provider_status,
                each.returned_minor and f"{format_money(each.returned_minor, currency)} came back",
                each.due_by and f"to be answered by {local(each.due_by, zone)}",
            )
            for payment in top_up.payments.all()
            for each in payment.disputes.all()
        )

    @admin.display(description="Reviews")
    def reviews(self, top_up: TopUp) -> SafeString | str:
        """Why a person had to look, and what they decided."""
        return _lines(
            _joined(
                each.reason,
                each.received_payment_id,
                each.get_decision_display() or "Waits for a decision",
                each.decision_reason,
                each.decided_by and each.decided_by.email,
            )
            for payment in top_up.payments.all()
            for each in payment.reviews.all()
        )

    @admin.display(description="Attention")
    def attention(self, top_up: TopUp) -> str:
        """Why an operator has to look, or what the provider refused."""
        standing = standing_of(top_up)
        if standing.open_review is not None:
            return "Waits for a decision"
        payment = standing.payment
        if payment is not None and not payment.checkout_id and payment.failure_reason:
            return f"No payment page: {payment.failure_reason}"
        disputes = [each for one in top_up.payments.all() for each in one.disputes.all()]
        if any(each.status in Dispute.UNDECIDED for each in disputes):
            return Attention.DISPUTE.label
        return standing.refund_failure or "–"


def _joined(*facts: object) -> str:
    """The facts that there are, in one line."""
    return " · ".join(str(fact) for fact in facts if fact)


def _lines(lines: Iterable[str]) -> SafeString | str:
    """One below the other; a dash for none."""
    return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines)) or "–"


@admin.register(PaymentEvent)
class PaymentEventAdmin(RecordAdmin):
    """What providers told us, and what came of it."""

    list_display = ("event_id", "gateway", "event_type", "received_at", "processed_at", "outcome")
    list_filter = (
        ("gateway", admin.AllValuesFieldListFilter),
        ("processed_at", admin.EmptyFieldListFilter),
    )
    list_select_related = False
    documents = ("payload",)
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
