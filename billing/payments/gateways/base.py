"""What a payment provider must be able to do for us, and the words for what it says.

A gateway talks to its provider and translates. It decides nothing: what follows from a fact is
`billing.payments.settling`. A provider's event and an answer of its API are the same thing here:
one of three facts, about a checkout, a refund or a dispute, as the provider saw it then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class GatewayError(Exception):
    """The provider did not do what it was asked; nothing is known to have happened.

    ``was_answered``: it heard of it and said no or failed, and would answer the same to the same
    request. Otherwise nobody knows whether it was done, and only the same request is harmless.
    """

    was_answered = False


class ServerError(GatewayError):
    """The provider answered that something is wrong on its side."""

    was_answered = True


class RefusedError(GatewayError):
    """The provider will not do it: asking again is of no use before something is mended."""

    was_answered = True


class UnknownCheckoutError(GatewayError):
    """The provider was reached and knows no such checkout: deleted, or of another account."""


class UnavailableGatewayError(GatewayError):
    """The provider is not in use here, or not any more."""


class AmountError(ValueError):
    """An amount that the provider can't take: the message says which ones it can."""


class WebhookError(ValueError):
    """A webhook that is not to be believed or can't be read: the message says why."""


class PaymentStatus(StrEnum):
    """How a payment stands at the provider; a word that we do not know is `OPEN`, never paid."""

    OPEN = "open"
    PROCESSING = "processing"  # the customer has paid, and the money is on its way
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class RefundStatus(StrEnum):
    """How a refund stands at the provider."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # a word that we do not know


class DisputeStatus(StrEnum):
    """How a dispute stands at the provider; a word that we do not know is `OPEN`."""

    INQUIRY = "inquiry"  # takes no money
    PREVENTED = "prevented"  # took none
    OPEN = "open"  # the provider holds the money back
    LOST = "lost"
    WON = "won"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask the customer to pay: ``amount_minor`` in minor units of ``currency``.

    ``reference`` comes back in everything the provider says of the checkout. Asking twice with the
    same reference and the same words opens one page.
    """

    reference: str
    account_reference: str
    description: str
    amount_minor: int
    currency: str
    customer_email: str
    return_url: str
    cancel_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrder:
    """What to pay back of a payment, and why.

    ``request_key`` comes back in what the provider says of the refund. Asking twice with the same
    key pays back once.
    """

    payment_id: str
    request_key: str
    reference: str
    amount_minor: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """The provider's hosted page for one order."""

    checkout_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFacts:
    """How a checkout and the payment made on it stand.

    ``reference`` and ``account_reference`` are ours, ``payment_id`` is empty until somebody pays.
    ``amount_minor`` and ``currency`` are what was or would be paid; None or empty where the
    provider named something that is no money, which never fits. ``paid_at`` is the provider's
    clock, None where it has not been paid. ``reason`` says why it failed.
    """

    status: PaymentStatus
    reference: str
    account_reference: str
    checkout_id: str
    payment_id: str
    amount_minor: int | None
    currency: str
    paid_at: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFacts:
    """How one refund of a payment stands.

    ``request_key`` is that of our request, empty where the refund was made at the provider.
    ``provider_status`` is the provider's own word. ``reason`` is what an operator typed.
    """

    refund_id: str
    payment_id: str
    amount_minor: int
    currency: str
    status: RefundStatus
    provider_status: str
    request_key: str = ""
    reason: str = ""
    failure_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeFacts:
    """How one dispute of a payment stands: a bank takes the money back, at least for a while.

    ``returned_minor`` is what of the money came back, whatever the status. ``due_by`` is until when
    it can be answered, None where it can't. ``provider_status`` is the provider's own word.
    """

    dispute_id: str
    payment_id: str
    amount_minor: int
    currency: str
    status: DisputeStatus
    provider_status: str
    returned_minor: int = 0
    opened_at: datetime | None = None
    due_by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNamed:
    """An event that only names a payment: no fact, but a reason to ask the provider."""

    reference: str
    payment_id: str


Facts = CheckoutFacts | RefundFacts | DisputeFacts


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified event, as it is stored before it is processed."""

    event_id: str
    event_type: str
    payload: dict[str, Any]


class Gateway(Protocol):
    """One payment provider."""

    name: str

    def check_amount(self, *, amount_minor: int, currency: str) -> None:
        """Raise AmountError where the provider can't be asked for this amount."""

    def create_checkout(self, order: Order) -> Checkout:
        """Open a hosted page for ``order``; the same one for the same idempotency key.

        Raises GatewayError.
        """

    def cancel_checkout(self, checkout_id: str) -> None:
        """Close a page that nobody paid on, so that nobody can. Raises GatewayError."""

    def fetch_checkout(self, checkout_id: str) -> CheckoutFacts:
        """Ask how a checkout and its payment stand now.

        Raises UnknownCheckoutError where there is none, GatewayError where nobody could be asked.
        """

    def fetch_refunds(self, payment_id: str) -> list[RefundFacts]:
        """Ask how all refunds of a payment stand now. Raises GatewayError."""

    def fetch_disputes(self, payment_id: str) -> list[DisputeFacts]:
        """Ask how all disputes of a payment stand now. Raises GatewayError."""

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify the signature over the raw ``body`` and read the event. Raises WebhookError."""

    def facts_of(self, payload: Mapping[str, Any]) -> Facts | PaymentNamed | None:
        """What a stored event says; None where it can't be about a payment of ours.

        Raises WebhookError where it can't be read.
        """

    def refund(self, refund: RefundOrder) -> RefundFacts:
        """Ask to pay back, once per request key; return how the refund stands.

        Raises GatewayError.
        """
