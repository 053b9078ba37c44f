"""What Stripe's objects say about a payment, in our words.

Refunds are special: a sum in an event may be overtaken (a refund can fail days later), so an event
about one is only a hint to ask for the list. A dispute is known from its events alone.
Source: https://docs.stripe.com/api/checkout/sessions, /api/refunds and /api/disputes
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from billing.payments.gateways.base import (
    Dispute,
    DisputeStatus,
    PaymentFacts,
    PaymentStatus,
    WebhookError,
)
from billing.payments.gateways.payloads import currency_of, instant, mapping, text, whole
from billing.payments.gateways.stripe_amounts import our_amount

# How the intent of a completed session stands when the bank did not pay after all.
GIVEN_UP = ("requires_payment_method", "canceled")
# How a refund stands that did not reach the customer.
NOT_REFUNDED = ("failed", "canceled")
REFUNDED_THERE = "Refunded by the payment provider"
DISPUTED = "The payment was disputed with the bank"


def event_facts(payload: Mapping[str, Any]) -> PaymentFacts | None:
    """What the event's object says; None for the types that are not about our payments."""
    found = mapping(mapping(payload.get("data")).get("object"))
    if not found:
        raise WebhookError("the event has no object")
    read = EVENTS.get(text(payload.get("type")))
    facts = read(found) if read else None
    # A session does not say when it was paid, but Stripe tells of it at once.
    return facts and replace(facts, paid_at=facts.paid_at or instant(payload.get("created")))


def session_facts(
    session: Mapping[str, Any],
    *,
    failed: bool = False,
    refunds: Sequence[Mapping[str, Any]] | None = None,
    as_of: datetime | None = None,
) -> PaymentFacts:
    """What a Checkout Session says; of its payment intent the most if that is expanded.

    ``refunds`` are those of its payment as they stood ``as_of``; None: nobody asked.
    """
    intent = mapping(session.get("payment_intent"))
    metadata = mapping(session.get("metadata"))
    is_complete = session.get("status") == "complete"
    if session.get("payment_status") == "paid":
        status = PaymentStatus.PAID
    elif failed or (is_complete and intent.get("status") in GIVEN_UP):
        status = PaymentStatus.FAILED
    elif session.get("status") == "expired":
        status = PaymentStatus.EXPIRED
    elif is_complete:  # and a bank takes days to pay
        status = PaymentStatus.PROCESSING
    else:
        status = PaymentStatus.OPEN
    reason = ""
    if status is PaymentStatus.FAILED:
        reason = text(mapping(intent.get("last_payment_error")).get("message"))
    made = [each for each in refunds or () if each.get("status") not in NOT_REFUNDED]
    if made:  # the latest comes first
        reason = text(mapping(made[0].get("metadata")).get("reason")) or REFUNDED_THERE
    return PaymentFacts(
        status=status,
        reference=text(session.get("client_reference_id")) or text(metadata.get("top_up")),
        account_reference=text(metadata.get("account")),
        checkout_id=text(session.get("id")),
        payment_id=text(intent.get("id")) or text(session.get("payment_intent")),
        amount_minor=_money(session, "amount_total"),
        currency=currency_of(session.get("currency")).upper(),
        paid_at=instant(mapping(intent.get("latest_charge")).get("created")),
        refunded_minor=(
            None if refunds is None else sum(_money(each, "amount") or 0 for each in made)
        ),
        as_of=as_of,
        reason=reason,
    )


def refund_failure(refund: Mapping[str, Any]) -> str:
    """Why a refund did not reach the customer; empty where it did, or still may."""
    if refund.get("status") not in NOT_REFUNDED:
        return ""
    why = text(refund.get("failure_reason")) or "no reason was given"
    return f"The refund is {refund['status']} at Stripe: {why.replace('_', ' ')}."


def _charge_facts(charge: Mapping[str, Any]) -> PaymentFacts:
    """What a charge says: Stripe copies the metadata of its payment intent to it."""
    metadata = mapping(charge.get("metadata"))
    return PaymentFacts(
        status=PaymentStatus.PAID if charge.get("paid") is True else PaymentStatus.OPEN,
        reference=text(metadata.get("top_up")),
        account_reference=text(metadata.get("account")),
        payment_id=text(charge.get("payment_intent")),
        amount_minor=_money(charge, "amount"),
        currency=currency_of(charge.get("currency")).upper(),
        paid_at=instant(charge.get("created")),
        refunded_minor=_money(charge, "amount_refunded"),
        is_hint=True,
        reason=REFUNDED_THERE,
    )


def _refund_facts(refund: Mapping[str, Any]) -> PaymentFacts | None:
    """What a refund says that failed; None while it is well."""
    failure = refund_failure(refund)
    if not failure:
        return None
    return PaymentFacts(
        status=PaymentStatus.OPEN,  # a refund confirms no payment
        payment_id=text(refund.get("payment_intent")),
        currency=currency_of(refund.get("currency")).upper(),
        refund_failure=failure,
        is_hint=True,
    )


def _dispute_status(status: str) -> DisputeStatus | None:
    """None for an inquiry (``warning_…``), which takes no money yet, so no credits."""
    if status.startswith("warning_") or status == "prevented":
        return None
    return {"won": DisputeStatus.WON, "lost": DisputeStatus.LOST}.get(status, DisputeStatus.OPEN)


def _dispute_facts(dispute: Mapping[str, Any], *, won: bool = False) -> PaymentFacts | None:
    """What a dispute says: no metadata of ours, only the payment intent."""
    status = DisputeStatus.WON if won else _dispute_status(text(dispute.get("status")))
    dispute_id = text(dispute.get("id"))
    amount_minor = _money(dispute, "amount")
    if status is None or not dispute_id or amount_minor is None:
        return None
    return PaymentFacts(
        status=PaymentStatus.OPEN,  # a dispute confirms no payment, it takes one back
        payment_id=text(dispute.get("payment_intent")),
        currency=currency_of(dispute.get("currency")).upper(),
        dispute=Dispute(dispute_id=dispute_id, amount_minor=amount_minor, status=status),
        reason=DISPUTED,
    )


def _money(found: Mapping[str, Any], name: str) -> int | None:
    """An amount of an object that names its currency, in our minor units."""
    currency = currency_of(found.get("currency")).upper()
    return our_amount(amount=whole(found.get(name)), currency=currency)


# What is listened to, and how each is read. Stripe sends what an endpoint subscribes to: the README
# names these.
EVENTS: dict[str, Callable[[Mapping[str, Any]], PaymentFacts | None]] = {
    "checkout.session.completed": session_facts,
    "checkout.session.async_payment_succeeded": session_facts,
    "checkout.session.async_payment_failed": partial(session_facts, failed=True),
    "checkout.session.expired": session_facts,
    "charge.refunded": _charge_facts,
    "charge.refund.updated": _refund_facts,
    "refund.updated": _refund_facts,
    "refund.failed": _refund_facts,
    "charge.dispute.created": _dispute_facts,
    "charge.dispute.updated": _dispute_facts,
    "charge.dispute.closed": _dispute_facts,
    "charge.dispute.funds_withdrawn": _dispute_facts,
    "charge.dispute.funds_reinstated": partial(_dispute_facts, won=True),
}
