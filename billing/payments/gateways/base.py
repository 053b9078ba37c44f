"""What a payment provider must be able to do for us, and the words for what it says.

A gateway talks to its provider and translates. It decides nothing: what follows from a payment is
`billing.payments.settling`. So a provider's event and an answer of its API are the same thing here,
`PaymentFacts`: what the provider confirms about one payment at that moment.
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
    """How a payment stands at the provider."""

    OPEN = "open"
    PROCESSING = "processing"  # the customer has paid, and the money is on its way
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask the customer to pay: ``amount_minor`` in minor units of ``currency``.

    ``reference`` comes back in everything the provider says. Asking twice with the same
    ``idempotency_key`` is harmless.
    """

    reference: str
    idempotency_key: str
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
    """What to pay back of a payment, and why, under the reference of its order."""

    payment_id: str
    reference: str
    idempotency_key: str
    amount_minor: int
    currency: str
    reason: str


class DisputeStatus(StrEnum):
    """How a dispute stands: while it is open the provider holds the money back."""

    OPEN = "open"
    LOST = "lost"
    WON = "won"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A customer's bank takes a payment back, at least until it is decided."""

    dispute_id: str
    amount_minor: int
    status: DisputeStatus


@dataclass(frozen=True, slots=True)
class Checkout:
    """The provider's hosted page for one order."""

    checkout_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFacts:
    """What the provider confirms about a payment. Empty or None: it does not say.

    ``amount_minor`` and ``currency`` are what was or would be paid. ``refunded_minor`` is the sum
    of all refunds ``as_of`` that time; without a time it may be older than what is known.
    ``is_hint``: of refunds it only says that there is news, the provider has to be asked.
    ``reference`` and ``account_reference`` are ours. ``paid_at`` is when it was paid.
    """

    status: PaymentStatus
    reference: str = ""
    account_reference: str = ""
    checkout_id: str = ""
    payment_id: str = ""
    amount_minor: int | None = None
    currency: str = ""
    paid_at: datetime | None = None
    refunded_minor: int | None = None
    as_of: datetime | None = None
    is_hint: bool = False
    refund_failure: str = ""
    dispute: Dispute | None = None
    reason: str = ""


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

    def fetch_payment(self, checkout_id: str) -> PaymentFacts:
        """Ask how the payment of a checkout stands now.

        Raises UnknownCheckoutError where there is none, GatewayError where nobody could be asked.
        """

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify the signature over the raw ``body`` and read the event. Raises WebhookError."""

    def facts_of(self, payload: Mapping[str, Any]) -> PaymentFacts | None:
        """What a stored event says about a payment; None where it is not about one."""

    def refund(self, refund: RefundOrder) -> datetime:
        """Pay back, once per idempotency key; return by when it had been done.

        Raises GatewayError.
        """
