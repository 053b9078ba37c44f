"""What operators do about a top-up: refund it, decide about a payment under review,
ask the provider."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from unfold.widgets import UnfoldAdminRadioSelectWidget

from billing.activity import ActivityKind, note
from billing.models import Payment, Review, TopUp
from billing.money import format_money
from billing.payments import refunds, settling
from billing.payments.gateways import GatewayError
from billing.payments.pricing import TopUpError
from billing.payments.states import ROWS, Standing, standing_of
from billing.zones import local
from dashboard.operations.record_actions import Outcome, Preview, RecordAction, reason_field

DECISIONS: dict[str, tuple[str, Callable[..., Standing]]] = {
    Review.Decision.ACCEPTED: ("Credit it all the same", refunds.accept),
    Review.Decision.RETURNED: ("Pay back what was received", refunds.return_received),
    Review.Decision.CLOSED: ("Close it without either", refunds.close),
}

REFUND_ABOUT = (
    "The provider pays back all that is left of the payment. What is left of the credits is "
    "removed; what was used of them is taken from other credits, and becomes debt where there are "
    "none."
)
NOT_REFUNDED = "The provider did not refund it: {error} Nothing changed; try again."


class ReasonForm(forms.Form):
    """Why something is done about a top-up."""

    reason = reason_field(
        "The account reads it: on the top-up’s page, and for a refund in its log.", length_max=200
    )


class ReviewForm(ReasonForm):
    """What to do about a payment that does not fit, and why. ``review`` is the one that the page
    showed."""

    review = forms.IntegerField(widget=forms.HiddenInput)
    decision = forms.ChoiceField(
        choices=[(decision, label) for decision, (label, _) in DECISIONS.items()],
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("decision", "reason")


def received_in_words(payment: Payment | None, review: Review | None) -> str:
    """What the provider says was paid by ``payment``, or what ``review`` knows of it."""
    if payment is not None and payment.amount_minor is not None:
        return format_money(payment.amount_minor, payment.currency)
    if review is None or not review.received_minor or not review.received_currency:
        return "not known"
    return format_money(review.received_minor, review.received_currency)


class TopUpAction(RecordAction[TopUp]):
    """An action whose page names the account and the credits of the top-up."""

    asks_provider = True

    def record_name(self) -> str:
        return self.record.receipt_number

    @property
    def standing(self) -> Standing:
        """Where the top-up stands now: read anew, since asking the provider may have moved it."""
        return standing_of(TopUp.objects.prefetch_related(*ROWS).get(pk=self.record.pk))

    @property
    def payment_pk(self) -> int:
        """The payment that decides. Raises TopUpError where nobody has tried to pay."""
        payment = self.standing.payment
        if payment is None:
            raise TopUpError(f"{self.record.receipt_number} has no payment.")
        return payment.pk

    def subject(self, *facts: str) -> str:
        """The top-up in a line, with ``facts`` at its end."""
        return " · ".join((str(self.record.account), f"{self.record.credits} credits", *facts))


class RefundTopUp(TopUpAction):
    """Pay it back, for a reason, and take its credits off the balance."""

    name = "refund"
    path = "refund"
    label = "Refund"
    provider_failure = NOT_REFUNDED

    def form(self, data: Any) -> ReasonForm:
        return ReasonForm(data)

    def preview(self) -> Preview:
        money = self.standing.money
        amount = format_money(money.kept_minor, money.currency)
        refusal = self._refusal()
        return Preview(
            title=f"Refund {self.record.receipt_number}",
            subject=self.subject(amount),
            about=[refusal or REFUND_ABOUT],
            button="" if refusal else f"Refund {amount}",
        )

    def _refusal(self) -> str:
        """Why it can't be refunded now; empty where it can."""
        try:
            refunds.check_refundable(self.standing)
        except TopUpError as refusal:
            return refusal.message
        return ""

    def do(self, form: ReasonForm) -> Outcome:
        reason = form.cleaned_data["reason"]
        refunds.refund(
            payment_pk=self.payment_pk, reason=reason, by=self.request.user.pk, now=self.now
        )
        return Outcome(
            told=f"{self.record.receipt_number} is refunded.",
            recorded=f"Refunded: {reason}",
        )


class DecideAboutReview(TopUpAction):
    """Credit a payment that does not fit, pay it back, or close it: once, for a reason."""

    name = "decide"
    path = "decide"
    label = "Decide about a payment under review"
    provider_failure = NOT_REFUNDED

    def instead(self) -> HttpResponse | None:
        """Lead back from a page that has been open since another review was decided about."""
        waiting = self.standing.open_review
        is_sent = self.request.method == "POST"
        if not is_sent or waiting is None or self.request.POST.get("review") == str(waiting.pk):
            return None
        return self.back(f"{self.record.receipt_number} waits for another decision now.")

    def form(self, data: Any) -> ReviewForm:
        waiting = self.standing.open_review
        return ReviewForm(data, initial={"review": waiting.pk if waiting is not None else 0})

    def preview(self) -> Preview:
        top_up, standing = self.record, self.standing
        review = standing.open_review or standing.review
        payment = review.payment if review is not None else standing.payment
        return Preview(
            title=f"Decide about {top_up.receipt_number}",
            subject=self.subject(
                f"asked for {format_money(top_up.total_minor, top_up.currency)}",
                f"received {received_in_words(payment, review)}",
            ),
            about=_about(standing),
            button="Decide" if standing.open_review is not None else "",
        )

    def do(self, form: ReviewForm) -> Outcome:
        label, decide = DECISIONS[form.cleaned_data["decision"]]
        reason = form.cleaned_data["reason"]
        number, review = self.record.receipt_number, self.standing.open_review
        if review is None:
            raise TopUpError(f"{number} does not wait for a decision any more.")
        decide(review_pk=review.pk, reason=reason, by=self.request.user.pk, now=self.now)
        decision = Review.Decision(form.cleaned_data["decision"]).label.lower()
        return Outcome(
            told=f"{number}: {decision}.",
            recorded=f"Under review: {review.reason} Decided: {label}. {reason}",
        )


def _about(standing: Standing) -> list[str]:
    """Why a person has to look, or what became of it."""
    review = standing.review
    if standing.open_review is not None:
        return [
            standing.open_review.reason,
            "Crediting it takes what was received for its price. Paying back returns all of that "
            "at the provider. Closing does neither. Each can be done once.",
        ]
    about = "This top-up does not wait for a decision."
    if review is not None:
        about += f" {review.get_decision_display()}: {review.decision_reason}"
    return [about]


class AskProvider(TopUpAction):
    """Bring it to where the provider says it is now, as happens by itself now and then."""

    name = "ask_provider"
    path = "ask-provider"
    label = "Ask the provider"

    def preview(self) -> Preview:
        top_up, standing = self.record, self.standing
        state = f"{standing.state.label.lower()} here"
        if standing.payment is not None and standing.payment.checked_at:
            state += f", last asked {local(standing.payment.checked_at, top_up.account.zone)}"
        return Preview(
            title=f"Ask the provider about {top_up.receipt_number}",
            subject=self.subject(state),
            about=[
                "What the provider says is then true here too: a payment that it has and we do not "
                "is credited, one that it paid back is taken off, and so with each refund and "
                "dispute. Nothing happens where it says the same."
            ],
            button="Ask the provider",
        )

    def do(self, form: Any) -> Outcome:
        with transaction.atomic():
            note(
                ActivityKind.PROVIDER_ASKED,
                account=self.record.account_id,
                subject=self.record.receipt_number,
            )
        number, attempts = self.record.receipt_number, list(self.record.payments.all())
        errors = _ask_about(attempts, self.now)
        if errors and len(errors) == len(attempts):
            raise GatewayError(" ".join(dict.fromkeys(errors.values())))
        told = f"{number}: {self.standing.state.label.lower()}."
        if not errors:
            return Outcome(told=told, level=messages.INFO)
        unanswered = [f"Attempt {attempt}: {error}" for attempt, error in errors.items()]
        return Outcome(
            told=" ".join((told, "The provider did not answer about all of it.", *unanswered)),
            level=messages.WARNING,
        )


def _ask_about(attempts: Iterable[Payment], now: datetime) -> dict[int, str]:
    """Ask about each attempt, whatever comes of the others; return the errors by their number."""
    errors = {}
    for payment in attempts:
        try:
            settling.reconcile(payment_pk=payment.pk, now=now)
        except GatewayError as error:
            errors[payment.number] = str(error)
    return errors
