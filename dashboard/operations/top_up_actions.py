"""What an operator does about one top-up, each on a page of its own: pay it back, decide about a
payment that does not fit, ask the provider again.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from billing.models import ParkedDecision, TopUp
from billing.money import format_money
from billing.payments import refunds, settling
from billing.payments.gateways import GatewayError
from billing.refusals import Refusal
from billing.zones import local
from dashboard.refusals import add_refusal

REFUND_TEMPLATE = "admin/billing/topup/refund.html"
DECIDE_TEMPLATE = "admin/billing/topup/decide.html"
ASK_TEMPLATE = "admin/billing/topup/ask_provider.html"

DECISIONS: dict[str, tuple[str, Callable[..., TopUp]]] = {
    ParkedDecision.ACCEPTED: ("Credit it all the same", refunds.accept),
    ParkedDecision.RETURNED: ("Pay back what was received", refunds.refund_parked),
    ParkedDecision.CLOSED: ("Close it without either", refunds.close),
}


class ReasonForm(forms.Form):
    """Why something is done about a top-up."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="The account reads it: on the top-up’s page, and for a refund in its log.",
    )


class DecisionForm(ReasonForm):
    """What to do about a payment that does not fit, and why."""

    decision = forms.ChoiceField(
        choices=[(decision, label) for decision, (label, _) in DECISIONS.items()],
        widget=UnfoldAdminRadioSelectWidget,
    )
    field_order = ("decision", "reason")


def received_words(top_up: TopUp) -> str:
    """What the provider says was paid."""
    if top_up.received_minor is None:
        return "not known"
    return format_money(top_up.received_minor, top_up.received_currency)


class TopUpActions:
    """The actions of a top-up's page in admin."""

    actions_detail = ("refund", "decide", "ask_provider")

    @action(description="Refund", url_path="refund")  # type: ignore[untyped-decorator]
    def refund(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Pay it back, for a reason, and take its credits off the balance."""
        top_up = _top_up(self, request, object_id)
        form = ReasonForm(request.POST or None)
        if form.is_valid():
            done = _attempt(top_up, form, refunds.refund)
            if done is not None:
                self.log_change(request, done, f"Refunded: {done.refund_reason}")
                messages.success(request, f"{done.receipt_number} is refunded.")
                return redirect("admin:billing_topup_change", top_up.pk)
        amount = format_money(top_up.paid_minor - top_up.paid_back_minor, top_up.paid_currency)
        context = {"title": f"Refund {top_up.receipt_number}", "total": amount}
        return _page(self, request, REFUND_TEMPLATE, top_up, form, context)

    @action(  # type: ignore[untyped-decorator]
        description="Decide about a parked payment", url_path="decide"
    )
    def decide(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Credit a payment that does not fit, pay it back, or close it: once, for a reason."""
        top_up = _top_up(self, request, object_id)
        form = DecisionForm(request.POST or None)
        if form.is_valid():
            label, act = DECISIONS[form.cleaned_data["decision"]]
            done = _attempt(top_up, form, act)
            if done is not None:
                said = f"Parked: {done.decided_about} Decided: {label}. {done.decision_reason}"
                self.log_change(request, done, said)
                messages.success(
                    request, f"{done.receipt_number}: {done.get_decision_display().lower()}."
                )
                return redirect("admin:billing_topup_change", top_up.pk)
        context = {
            "title": f"Decide about {top_up.receipt_number}",
            "total": format_money(top_up.total_minor, top_up.currency),
            "received": received_words(top_up),
        }
        return _page(self, request, DECIDE_TEMPLATE, top_up, form, context)

    @action(  # type: ignore[untyped-decorator]
        description="Ask the provider", url_path="ask-provider"
    )
    def ask_provider(self: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        """Bring it to where the provider says it is now, as is done by itself now and then."""
        top_up = _top_up(self, request, object_id)
        form = forms.Form(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                settled = settling.reconcile(top_up_id=top_up.pk, now=timezone.now())
            except GatewayError as error:
                form.add_error(None, f"The provider did not answer: {error} Try again later.")
            else:
                messages.info(
                    request, f"{settled.receipt_number}: {settled.get_state_display().lower()}."
                )
                return redirect("admin:billing_topup_change", top_up.pk)
        context = {
            "title": f"Ask the provider about {top_up.receipt_number}",
            "state": top_up.get_state_display().lower(),
            "asked": local(top_up.checked_at, top_up.account.zone) if top_up.checked_at else "",
        }
        return _page(self, request, ASK_TEMPLATE, top_up, form, context)


def _attempt(top_up: TopUp, form: forms.Form, act: Callable[..., TopUp]) -> TopUp | None:
    """Do it for the form's reason; where that is not possible, say so in the form."""
    try:
        return act(top_up_id=top_up.pk, reason=form.cleaned_data["reason"], now=timezone.now())
    except Refusal as refusal:
        add_refusal(form, refusal)
    except GatewayError as error:
        said = f"The provider did not refund it: {error} Nothing changed; try again."
        form.add_error(None, said)
    return None


def _page(
    model_admin: Any,
    request: HttpRequest,
    template: str,
    top_up: TopUp,
    form: forms.Form,
    context: dict[str, str],
) -> HttpResponse:
    return TemplateResponse(
        request,
        template,
        {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "original": top_up,
            "form": form,
            "media": model_admin.media + form.media,
            **context,
        },
    )


def _top_up(model_admin: Any, request: HttpRequest, object_id: str) -> TopUp:
    top_up: TopUp | None = model_admin.get_object(request, object_id)
    if top_up is None:
        raise Http404
    return top_up
