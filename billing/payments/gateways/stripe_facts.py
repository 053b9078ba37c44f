"""What Stripe's objects say about a payment, in our words.

Every status has a decided meaning here, also one that we do not know: a payment is not paid, a
refund does not stand, a dispute holds the money back.
Source: https://docs.stripe.com/api/checkout/sessions, /api/refunds and /api/disputes
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from billing.payments.gateways.base import (
    CheckoutFacts,
    DisputeFacts,
    DisputeStatus,
    Facts,
    PaymentNamed,
    PaymentStatus,
    RefundFacts,
    RefundStatus,
    WebhookError,
)
from billing.payments.gateways.payloads import currency_of, instant, mapping, text, whole
from billing.payments.gateways.stripe_amounts import our_amount

# How the intent of a completed session stands when the bank did not pay after all.
GIVEN_UP = ("requires_payment_method", "canceled")
REFUND_STATUSES = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
    "canceled": RefundStatus.CANCELLED,
}
# An appeal (``appeal_…``) holds the money back again, as every word does that is not here, save
# those of an inquiry (``warning_…``). One that was closed is over and took nothing.
DISPUTE_STATUSES = {
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "prevented": DisputeStatus.PREVENTED,
    "warning_closed": DisputeStatus.PREVENTED,
}


def event_facts(payload: Mapping[str, Any]) -> Facts | PaymentNamed | None:
    """What the event's object says; None where it names no payment at all."""
    found = mapping(mapping(payload.get("data")).get("object"))
    if not found:
        raise WebhookError("the event has no object")
    read = EVENTS.get(text(payload.get("type")), _payment_named)
    facts = read(found)
    if isinstance(facts, CheckoutFacts):
        # A session does not say when it was paid, but Stripe tells of it at once.
        return replace(facts, paid_at=facts.paid_at or instant(payload.get("created")))
    return facts


def session_facts(session: Mapping[str, Any], *, failed: bool = False) -> CheckoutFacts:
    """What a Checkout Session says; of its payment intent the most if that is expanded."""
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
    error = mapping(intent.get("last_payment_error"))
    return CheckoutFacts(
        status=status,
        reference=text(session.get("client_reference_id")) or text(metadata.get("payment")),
        account_reference=text(metadata.get("account")),
        checkout_id=text(session.get("id")),
        payment_id=text(intent.get("id")) or text(session.get("payment_intent")),
        amount_minor=_money(session, "amount_total"),
        currency=currency_of(session.get("currency")).upper(),
        paid_at=instant(mapping(intent.get("latest_charge")).get("created")),
        reason=_failure_in_words(error) if status is PaymentStatus.FAILED else "",
    )


def refund_facts(refund: Mapping[str, Any]) -> RefundFacts:
    """What a refund says. Raises WebhookError where it lacks its id or amount."""
    metadata = mapping(refund.get("metadata"))
    word = text(refund.get("status"))
    status = REFUND_STATUSES.get(word, RefundStatus.UNKNOWN)
    refund_id, amount_minor = text(refund.get("id")), _money(refund, "amount")
    if not refund_id or amount_minor is None:
        raise WebhookError("the refund has no id or no amount")
    failure = ""
    if status in (RefundStatus.FAILED, RefundStatus.CANCELLED):
        why = text(refund.get("failure_reason")) or "no reason was given"
        failure = f"The refund is {word} at Stripe: {why.replace('_', ' ')}."
    return RefundFacts(
        refund_id=refund_id,
        payment_id=_id_of(refund.get("payment_intent")),
        amount_minor=amount_minor,
        currency=currency_of(refund.get("currency")).upper(),
        status=status,
        provider_status=word,
        request_key=text(metadata.get("request")),
        reason=_long_text(metadata.get("reason")),
        failure_reason=failure,
    )


def dispute_facts(dispute: Mapping[str, Any]) -> DisputeFacts:
    """What a dispute says. Raises WebhookError where it lacks its id or amount."""
    dispute_id, amount_minor = text(dispute.get("id")), _money(dispute, "amount")
    if not dispute_id or amount_minor is None:
        raise WebhookError("the dispute has no id or no amount")
    word = text(dispute.get("status"))
    unknown = DisputeStatus.INQUIRY if word.startswith("warning_") else DisputeStatus.OPEN
    status = DISPUTE_STATUSES.get(word, unknown)
    return DisputeFacts(
        dispute_id=dispute_id,
        payment_id=_id_of(dispute.get("payment_intent")),
        amount_minor=amount_minor,
        currency=currency_of(dispute.get("currency")).upper(),
        status=status,
        provider_status=word,
        returned_minor=_returned_minor(dispute, amount_minor, status),
        opened_at=instant(dispute.get("created")),
        due_by=instant(mapping(dispute.get("evidence_details")).get("due_by")),
    )


def _returned_minor(dispute: Mapping[str, Any], amount_minor: int, status: DisputeStatus) -> int:
    """What of a dispute's money was reinstated and is still there, rounded down.

    Movements of funds are in the currency of settlement, so the part that came back counts. A
    withdrawal after all had come back, as for an appeal, begins anew. Where a lost dispute shows
    that all came back, that was a win before the appeal: the status decides, and nothing did.
    """
    movements = dispute.get("balance_transactions")
    moved = [mapping(each) for each in (movements if isinstance(movements, list) else ())]
    moved.sort(key=lambda each: whole(each.get("created")) or 0)
    taken = 0  # the most that was withdrawn since everything was there
    missing = 0  # what of it is withdrawn now
    for amount in (each.get("amount") for each in moved):
        if not isinstance(amount, int) or isinstance(amount, bool):
            continue
        if amount < 0 and not missing:
            taken = 0
        missing = max(missing - amount, 0)
        taken = max(taken, missing)
    if not taken or (not missing and status is DisputeStatus.LOST):
        return 0
    return amount_minor * (taken - missing) // taken


def _payment_named(found: Mapping[str, Any]) -> PaymentNamed | None:
    """The payment that an object is or belongs to: Stripe copies the metadata of an intent to its
    charge."""
    is_intent = found.get("object") == "payment_intent"
    payment_id = _id_of(found if is_intent else found.get("payment_intent"))
    reference = text(mapping(found.get("metadata")).get("payment"))
    if not payment_id and not reference:
        return None
    return PaymentNamed(reference=reference, payment_id=payment_id)


def _failure_in_words(error: Mapping[str, Any]) -> str:
    """Why a payment failed, with the codes that an operator looks up."""
    codes = [text(error.get(name)) for name in ("decline_code", "code")]
    code = next((each for each in codes if each), "")
    message = _long_text(error.get("message"))
    return " ".join(filter(None, (message, f"({code})" if code else "")))


def _long_text(value: Any) -> str:
    """A text for people, of any length."""
    return value if isinstance(value, str) else ""


def _id_of(value: Any) -> str:
    """The id of an object, which is expanded or not."""
    return text(mapping(value).get("id")) or text(value)


def _money(found: Mapping[str, Any], name: str) -> int | None:
    """An amount of an object that names its currency, in our minor units."""
    currency = currency_of(found.get("currency")).upper()
    return our_amount(amount=whole(found.get(name)), currency=currency)


# What is listened to, and how each is read. Stripe sends what an endpoint subscribes to: the README
# names these.
EVENTS: dict[str, Callable[[Mapping[str, Any]], Facts | PaymentNamed | None]] = {
    "checkout.session.completed": session_facts,
    "checkout.session.async_payment_succeeded": session_facts,
    "checkout.session.async_payment_failed": partial(session_facts, failed=True),
    "checkout.session.expired": session_facts,
    "charge.refunded": _payment_named,
    "charge.refund.updated": refund_facts,
    "refund.created": refund_facts,
    "refund.updated": refund_facts,
    "refund.failed": refund_facts,
    "charge.dispute.created": dispute_facts,
    "charge.dispute.updated": dispute_facts,
    "charge.dispute.closed": dispute_facts,
    "charge.dispute.funds_withdrawn": dispute_facts,
    "charge.dispute.funds_reinstated": dispute_facts,
}
