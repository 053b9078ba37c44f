"""The sandbox's hosted page: pay, decline, leave or pay late, and choose how it is reported."""

import logging
import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from billing import clock
from billing.money import format_money
from billing.payments.gateways import GatewayError, PaymentStatus
from dashboard.sandbox.gateway import (
    Decision,
    checkout_now,
    decide,
    dispute_payment,
    refund_payment,
)
from dashboard.sandbox.models import SandboxCheckout, SandboxDispute, SandboxRefund
from dashboard.sandbox.tasks import deliver_sandbox_event, deliver_sandbox_reversal

logger = logging.getLogger(__name__)

LATE_SECONDS = 15
SECONDS_MAX = 3600


class DecisionForm(forms.Form):
    """What to do with the checkout, and how to report it."""

    decision = forms.ChoiceField(choices=[(decision, decision) for decision in Decision])
    late_seconds = forms.IntegerField(
        label="Pay late after, seconds",
        min_value=1,
        max_value=SECONDS_MAX,
        initial=LATE_SECONDS,
        required=False,
    )
    repeat = forms.BooleanField(label="Report twice", required=False)
    reorder = forms.BooleanField(label="Report an older event after the newer one", required=False)
    delay_seconds = forms.IntegerField(
        label="Delay the report by, seconds",
        min_value=0,
        max_value=SECONDS_MAX,
        initial=0,
        required=False,
    )
    silent = forms.BooleanField(label="Do not report at all", required=False)


class ReversalForm(forms.Form):
    """What happens to a payment that was made: it is paid back or disputed, and decided about."""

    action = forms.ChoiceField(
        choices=[
            ("refund", "Pay back"),
            ("fail_refund", "Let the newest refund fail"),
            ("dispute", "Dispute"),
            ("win", "Win the newest dispute"),
            ("lose", "Lose the newest dispute"),
            ("reinstate", "Reinstate a part of the newest dispute"),
        ]
    )
    amount_minor = forms.IntegerField(label="Amount, in minor units", min_value=1, required=False)
    silent = forms.BooleanField(label="Do not report at all", required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest, checkout_id: str) -> HttpResponse:
    """Show one checkout, and do with it what the visitor decides."""
    if not settings.SANDBOX_PAYMENTS_ALLOWED:
        raise Http404
    now = clock.now()
    try:
        found = checkout_now(checkout_id=checkout_id, now=now)
    except GatewayError as error:
        raise Http404 from error
    if found.status == PaymentStatus.PAID and "action" in request.POST:
        return _reverse(request, found)
    form = DecisionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        was_open = _is_open(found)
        late_by = timedelta(seconds=form.cleaned_data["late_seconds"] or LATE_SECONDS)
        found = decide(
            checkout_id=checkout_id,
            decision=Decision(form.cleaned_data["decision"]),
            now=now,
            late_by=late_by,
        )
        if was_open:  # else it was sent twice, and is reported already
            _report(found, form, late_by=late_by)
        return redirect(found.return_url)
    status = 422 if request.method == "POST" else 200
    context = {
        "checkout": found,
        "form": form,
        "amount": format_money(found.amount_minor, found.currency),
        "is_open": _is_open(found),
        "reversal": ReversalForm() if found.status == PaymentStatus.PAID else None,
        "refunds": found.refunds.all(),
        "disputes": found.disputes.all(),
    }
    response = render(request, "sandbox/checkout.html", context, status=status)
    response["Cache-Control"] = "no-store"
    # The shop may have been visited under another name than SITE_URL; the form leads back there.
    shop = urlsplit(found.return_url)
    vars(response)["_csp_update"] = {"form-action": f"{shop.scheme}://{shop.netloc}"}
    return response


def _is_open(found: SandboxCheckout) -> bool:
    return found.status == PaymentStatus.OPEN and found.pays_at is None


def _reverse(request: HttpRequest, found: SandboxCheckout) -> HttpResponse:
    """Pay back, dispute or decide, report it, and show the page again."""
    form = ReversalForm(request.POST)
    if not form.is_valid():
        raise Http404
    amount_minor = form.cleaned_data["amount_minor"] or None
    changed = _changed(found, form.cleaned_data["action"], amount_minor)
    if changed is not None and not form.cleaned_data["silent"]:
        kind = "refund" if isinstance(changed, SandboxRefund) else "dispute"
        try:
            deliver_sandbox_reversal.delay(kind, changed.pk, _event_id())
        except Exception:  # kombu's own faults too, where the broker goes away meanwhile
            logger.exception("The sandbox could not report on %s", changed)
    return redirect(request.path)


def _changed(
    found: SandboxCheckout, action: str, amount_minor: int | None
) -> SandboxRefund | SandboxDispute | None:
    """Do what was asked for; None where there is nothing to do it to."""
    refund, dispute = found.refunds.last(), found.disputes.last()
    if action == "refund":
        try:
            return refund_payment(checkout=found, amount_minor=amount_minor or found.amount_minor)
        except GatewayError:
            return None
    if action == "dispute":
        return dispute_payment(checkout=found, now=clock.now(), amount_minor=amount_minor)
    if action == "fail_refund":
        if refund is not None:
            refund.status = "failed"
            refund.save()
        return refund
    if dispute is not None:
        if action == "reinstate":
            dispute.returned_minor = min(amount_minor or dispute.amount_minor, dispute.amount_minor)
        else:
            dispute.status = {"win": "won", "lose": "lost"}[action]
        dispute.save()
    return dispute


def _report(found: SandboxCheckout, form: DecisionForm, *, late_by: timedelta) -> None:
    """Send the events that were asked for, through the broker as a provider's own queue would.

    A broker that is down loses them, as a provider's report may get lost.
    """
    if form.cleaned_data["silent"]:
        return
    delay: float = form.cleaned_data["delay_seconds"] or 0
    if found.pays_at is not None:
        delay += late_by.total_seconds()
    event_id = _event_id()
    reports: list[tuple[tuple[str, ...], float]] = [((found.checkout_id, event_id), delay)]
    if form.cleaned_data["repeat"]:
        reports.append(((found.checkout_id, event_id), delay + 1))
    if form.cleaned_data["reorder"]:
        reports.append(((found.checkout_id, _event_id(), PaymentStatus.OPEN), delay + 1))
    for ids, countdown in reports:
        try:
            deliver_sandbox_event.apply_async(ids, countdown=countdown)
        except Exception:  # as above
            logger.exception("The sandbox could not report on %s", found.checkout_id)


def _event_id() -> str:
    return f"event_{secrets.token_urlsafe(18)}"
