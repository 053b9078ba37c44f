"""What operators do about a top-up: refund it, decide about a parked payment, ask the provider."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from billing.models import ParkedDecision, TopUp
from billing.money import format_money
from billing.payments import refunds, settling
from billing.zones import local
from dashboard.operations.record_actions import Outcome, Preview, RecordAction

DECISIONS: dict[str, tuple[str, Callable[..., TopUp]]] = {
    ParkedDecision.ACCEPTED: ("Credit it all the same", refunds.accept),
    ParkedDecision.RETURNED: ("Pay back what was received", refunds.refund_parked),
    ParkedDecision.CLOSED: ("Close it without either", refunds.close),
}

NOT_REFUNDED = "The provider did not refund it: {error} Nothing changed; try again."


class ReasonForm(forms.Form):
    """Why something is done about a top-up."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="The account reads it: on the top-up’s page, and for a refund in its log.",
    )


class ParkedDecisionForm(ReasonForm):
    """What to do about a payment that does not fit, and why."""

    decision = forms.ChoiceField(
        choices=[(decision, label) for decision, (label, _) in DECISIONS.items()],
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("decision", "reason")


def received_in_words(top_up: TopUp) -> str:
    """What the provider says was paid."""
    if top_up.received_minor is None:
        return "not known"
    return format_money(top_up.received_minor, top_up.received_currency)


class TopUpAction(RecordAction[TopUp]):
    """An action whose page names the account and the credits of the top-up."""

    asks_provider = True

    def record_name(self) -> str:
        return self.record.receipt_number

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
        left_minor = self.record.paid_minor - self.record.paid_back_minor
        amount = format_money(left_minor, self.record.paid_currency)
        return Preview(
            title=f"Refund {self.record.receipt_number}",
            subject=self.subject(amount),
            about=[
                "The provider pays the whole amount back. What is left of the credits is removed; "
                "what was used of them is taken from other credits, and becomes debt where there "
                "are none."
            ],
            button=f"Refund {amount}",
        )

    def do(self, form: ReasonForm) -> Outcome:
        reason = form.cleaned_data["reason"]
        refunded = refunds.refund(top_up_id=self.record.pk, reason=reason, now=self.now)
        return Outcome(
            told=f"{refunded.receipt_number} is refunded.",
            recorded=f"Refunded: {refunded.refund_reason}",
        )


class DecideAboutParked(TopUpAction):
    """Credit a payment that does not fit, pay it back, or close it: once, for a reason."""

    name = "decide"
    path = "decide"
    label = "Decide about a parked payment"
    provider_failure = NOT_REFUNDED

    def form(self, data: Any) -> ParkedDecisionForm:
        return ParkedDecisionForm(data)

    def preview(self) -> Preview:
        top_up = self.record
        return Preview(
            title=f"Decide about {top_up.receipt_number}",
            subject=self.subject(
                f"asked for {format_money(top_up.total_minor, top_up.currency)}",
                f"received {received_in_words(top_up)}",
            ),
            about=self._about(),
            button="Decide" if top_up.parked_reason else "",
        )

    def do(self, form: ParkedDecisionForm) -> Outcome:
        label, decide = DECISIONS[form.cleaned_data["decision"]]
        reason = form.cleaned_data["reason"]
        decided = decide(top_up_id=self.record.pk, reason=reason, now=self.now)
        return Outcome(
            told=f"{decided.receipt_number}: {decided.get_decision_display().lower()}.",
            recorded=f"Parked: {decided.decided_about} Decided: {label}. {decided.decision_reason}",
        )

    def _about(self) -> list[str]:
        top_up = self.record
        if top_up.parked_reason:
            return [
                top_up.parked_reason,
                "Crediting it takes what was received for its price. Paying back returns all of "
                "that at the provider. Closing does neither. Each can be done once.",
            ]
        about = "This top-up does not wait for a decision."
        if top_up.decision:
            about += f" {top_up.get_decision_display()}: {top_up.decision_reason}"
        return [about]


class AskProvider(TopUpAction):
    """Bring it to where the provider says it is now, as happens by itself now and then."""

    name = "ask_provider"
    path = "ask-provider"
    label = "Ask the provider"

    def preview(self) -> Preview:
        top_up = self.record
        state = f"{top_up.get_state_display().lower()} here"
        if top_up.checked_at:
            state += f", last asked {local(top_up.checked_at, top_up.account.zone)}"
        return Preview(
            title=f"Ask the provider about {top_up.receipt_number}",
            subject=self.subject(state),
            about=[
                "What the provider says is then true here too: a payment that it has and we do not "
                "is credited, one that it paid back is taken off. Nothing happens where it says "
                "the same."
            ],
            button="Ask the provider",
        )

    def do(self, form: Any) -> Outcome:
        settled = settling.reconcile(top_up_id=self.record.pk, now=self.now)
        told = f"{settled.receipt_number}: {settled.get_state_display().lower()}."
        return Outcome(told=told, level=messages.INFO)
