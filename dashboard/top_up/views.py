"""Topping up as a customer sees it: choose, review, pay elsewhere, see it arrive, keep a receipt.

What happens is decided in `billing.payments`; here is how it is asked for and told.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from billing import clock
from billing.models import Kind, LedgerEntry, Payment, Refund, TopUp, TopUpState, User
from billing.payments import buying
from billing.payments.credits import valid_until
from billing.payments.gateways import GatewayError, RefusedError
from billing.payments.noting import UNFINISHED
from billing.payments.pricing import Quote
from billing.payments.receipts import buyer, parties_of
from billing.payments.states import (
    ROWS,
    Standing,
    standing_of,
    standings,
    state_of,
)
from billing.payments.tasks import reconcile_payment
from billing.plans.movements import top_up_valid_until
from billing.queue import enqueue
from dashboard.access import AccountRequest, account_page
from dashboard.pages import render_page, to_real_page, wants_part
from dashboard.top_up.form import ChoiceForm, PaymentForm
from dashboard.top_up.on_sale import OWN, OnSale, basis_in_words, on_sale
from dashboard.top_up.status import shown, status_page

logger = logging.getLogger(__name__)

TOP_UPS_PER_PAGE = 20
NO_ID = UUID(int=0)

OUTDATED = (
    "This page was out of date: a price has changed, or you have signed in since. Nothing was "
    "paid. Look at it again, then pay."
)
UNREACHABLE = (
    "The payment provider could not be reached, so the payment page did not open. Nothing was "
    "charged. Try again in a minute."
)
REFUSED = (
    "The payment provider did not accept this payment, so no payment page opened. Nothing was "
    "charged. Try again; if it happens once more, write to the people who look after your account."
)
UNREACHABLE_TO_CANCEL = (
    "The payment provider could not be reached, so the payment page is still open. Nothing was "
    "charged. Try again in a minute; an unpaid top-up closes by itself after an hour."
)
ON_ITS_WAY = (
    "This top-up can’t be cancelled any more: a payment for it is on its way. Its credits are "
    "added when the payment arrives."
)
BEING_CHECKED = (
    "This top-up can’t be cancelled: a payment for it was reported, which we are checking."
)
PAID_ALREADY = "This top-up can’t be cancelled: it has been paid."


# ── Choose, review, pay ───────────────────────────────────────────────────────────────────────
def _buy(request: AccountRequest) -> HttpResponse:
    """Begin the top-up and go to the provider's page, or to what became of it already."""
    now = clock.now()
    account, user = request.account, cast(User, request.user)
    form = PaymentForm(request.POST, account=account, sale=on_sale(account))
    if not form.is_valid():
        unreadable = any(map(form.has_error, ("form_key", "total_minor", "for_credits")))
        problem = OUTDATED if unreadable and hasattr(form, "quoted") else ""
        return _choose_or_review(request, request.POST, problem=problem, status=422)
    if not form.was_seen_by(user.pk):
        return _choose_or_review(request, request.POST, problem=OUTDATED, status=409)
    path = reverse("dashboard:top_up_status", args=[account.slug, NO_ID])
    try:
        payment = buying.start(
            account=account,
            user_id=user.pk,
            email=user.email,
            quoted=form.quoted,
            form_key=form.cleaned_data["form_key"],
            return_url=settings.SITE_URL + path.replace(str(NO_ID), "{id}"),
            now=now,
        )
    except RefusedError as error:
        logger.error("No payment page for %s, refused: %s", account.slug, error)
        return _choose_or_review(request, request.POST, problem=REFUSED, status=502)
    except GatewayError as error:
        logger.warning("No payment page for %s: %s", account.slug, error)
        return _choose_or_review(request, request.POST, problem=UNREACHABLE, status=503)
    if state_of(payment.top_up) == TopUpState.PENDING:
        return redirect(payment.checkout_url)
    return redirect("dashboard:top_up_status", account.slug, payment.top_up.public_id)


@account_page(pays=True, begins=True, action=_buy)
def top_up(request: AccountRequest) -> HttpResponse:
    """Offer what is on sale; once something is chosen, show it for review.

    To htmx only the price of a custom number of credits, while it is being typed.
    """
    return _choose_or_review(request, request.GET)


def _choose_or_review(
    request: AccountRequest, chosen: Mapping[str, Any], *, problem: str = "", status: int = 200
) -> HttpResponse:
    sale = on_sale(request.account)
    form = ChoiceForm(chosen, account=request.account, sale=sale)
    is_chosen = ("choice" in chosen or "credits" in chosen) and "change" not in chosen
    if is_chosen and form.is_valid():
        context = _review(request, form.quoted, sale) | {"choice": chosen, "problem": problem}
        return render(request, "dashboard/top_up/review.html", context, status=status)
    context = _choices(request, form, sale) | {
        "errors": form.errors if is_chosen else {},
        "problem": problem,
    }
    if is_chosen and status == 200:
        status = 422
    return render_page(
        request,
        "dashboard/top_up/top_up.html",
        context,
        part="dashboard/top_up/price.html",
        status=status,
    )


def _review(request: AccountRequest, quoted: Quote, sale: OnSale) -> dict[str, Any]:
    """Return what the review shows of what was chosen."""
    account, frame = request.account, request.frame
    return {
        "sale": sale,
        "quoted": quoted,
        "basis": basis_in_words(quoted),
        "more_for_as_much": sale.more_for_as_much(quoted),
        "balance_after": frame.balance + quoted.credits,
        "valid_until": top_up_valid_until(account=account, paid_at=frame.now),
        "form_key": buying.form_key(account=account, user_id=request.membership.user_id),
        "buyer": buyer(account),
        "is_sandbox": settings.PAYMENT_GATEWAY == "sandbox",
    }


def _choices(request: AccountRequest, form: ChoiceForm, sale: OnSale) -> dict[str, Any]:
    """Return what there is to choose from, and what was entered so far."""
    names = ("choice", "credits") if form.is_readable else ()
    chosen = {name: form.data.get(name, "") for name in names}
    own = TopUp.objects.filter(account=request.account, created_by=request.membership.user_id)
    # Hardly ever more than one: another choice closes it.
    unpaid = own.filter(payments__status=Payment.Status.OPEN).prefetch_related(*ROWS)
    custom_price = _custom_price(request, chosen.get("credits", ""), sale)
    return {
        "sale": sale,
        "chosen": chosen,
        "custom_price": custom_price,
        "basis": basis_in_words(custom_price) if custom_price is not None else "",
        "unpaid": next(
            (each.top_up for each in standings(unpaid) if each.state is TopUpState.PENDING), None
        ),
    }


def _custom_price(request: AccountRequest, typed: str, sale: OnSale) -> Quote | None:
    """Price the number of credits that was typed; None where it can't be bought."""
    form = ChoiceForm({"choice": OWN, "credits": typed}, account=request.account, sale=sale)
    return form.quoted if typed and form.is_valid() else None


# ── What became of it ─────────────────────────────────────────────────────────────────────────
def _cancel(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Cancel a top-up that was not paid; its page shows how it stands then."""
    found = standing_of(_top_up(request, public_id))
    if found.state == TopUpState.CHECKING:
        return _status(request, found, problem=BEING_CHECKED, status=409)
    if found.state in (TopUpState.PENDING, TopUpState.UNOPENED) and found.payment is not None:
        try:
            buying.cancel(payment=found.payment, now=clock.now())
        except GatewayError as error:
            logger.warning("%s could not be cancelled: %s", found.top_up.receipt_number, error)
            return _status(request, found, problem=UNREACHABLE_TO_CANCEL, status=503)
        found = standing_of(_top_up(request, public_id))
    is_paid = found.payment is not None and found.payment.paid_at is not None
    is_awaited = found.payment is not None and found.payment.status in UNFINISHED
    if is_paid or is_awaited:
        return _status(request, found, problem=PAID_ALREADY if is_paid else ON_ITS_WAY, status=409)
    return redirect("dashboard:top_up_status", request.account.slug, public_id)


@account_page(pays=True, action=_cancel)
def top_up_status(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show one top-up; to a page that looks again, only what is new, or nothing."""
    return _status(request, standing_of(_top_up(request, public_id)))


def _status(
    request: AccountRequest, found: Standing, *, problem: str = "", status: int = 200
) -> HttpResponse:
    page = status_page(
        account=request.account, standing=found, query=request.GET, now=request.frame.now
    )
    if page.asks_provider and found.payment is not None:
        enqueue(reconcile_payment, found.payment.pk)
    context = {"page": page, "standing": found, "problem": problem}
    if wants_part(request) and request.GET.get("shown") == shown(
        page.face, page.look_again_seconds
    ):
        response = HttpResponse(status=204)
    else:
        response = render_page(
            request,
            "dashboard/top_up/status.html",
            context,
            part="dashboard/top_up/news.html",
            status=status,
        )
    response["Cache-Control"] = "no-store"
    return response


@account_page(pays=True)
def top_ups(request: AccountRequest) -> HttpResponse:
    """List the account's top-ups, newest first."""
    own = TopUp.objects.filter(account=request.account).order_by("-created_at", "-id")
    found = own.prefetch_related(*ROWS)
    page = Paginator(found, TOP_UPS_PER_PAGE).get_page(request.GET.get("page"))
    elsewhere = to_real_page(request, shown=page.number)
    if elsewhere is not None:
        return elsewhere
    context = {"page": page, "standings": standings(page.object_list)}
    return render(request, "dashboard/top_up/top_ups.html", context)


@account_page(pays=True)
def receipt(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show the receipt of a top-up that was paid, to be printed."""
    found = standing_of(_top_up(request, public_id))
    if found.payment is None or found.payment.paid_at is None:
        raise Http404("Not paid.")
    context = {
        "standing": found,
        "parties": parties_of(found.payment),
        "valid_until": valid_until(found.top_up)
        or top_up_valid_until(account=request.account, paid_at=found.payment.paid_at),
        "refunded_at": _refunded_at(found),
        "is_refunded": not found.money.kept_minor,
        "is_held": found.money.gone_minor == found.money.paid_minor,
    }
    return render(request, "dashboard/top_up/receipt.html", context)


def _top_up(request: AccountRequest, public_id: UUID) -> TopUp:
    found = (
        TopUp.objects.select_related("created_by")
        .prefetch_related(*ROWS)
        .filter(account=request.account, public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404("No such top-up.")
    return found


def _refunded_at(found: Standing) -> datetime | None:
    """When money last went back: as credits were taken for it, or else as it was refunded."""
    top_up, payment = found.top_up, found.payment
    entries = LedgerEntry.objects.filter(
        account=top_up.account_id, kind=Kind.REFUND, top_up=top_up
    ).order_by("-seq")
    refunds = payment.refunds.all() if payment is not None else []
    made = [refund.created_at for refund in refunds if refund.status in Refund.STANDING]
    return entries.values_list("occurred_at", flat=True).first() or max(made, default=None)
