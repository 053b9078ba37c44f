"""What a payment provider must be able to do for us, and the words for what it says.

A gateway talks to its provider and translates. It decides nothing: what follows from a payment is
`billing.topups`. So a provider's event and an answer of its API are the same thing here,
`PaymentFacts`: what the provider confirms about one payment at that moment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class GatewayError(Exception):
    """The provider could not be reached or refused; nothing is known to have happened."""


class AmountError(ValueError):
    """An amount that the provider can't take: the message says which ones it can."""


class WebhookError(ValueError):
    """A webhook that is not to be believed or can't be read: the message says why."""


class PaymentStatus(StrEnum):
    """How a payment stands at the provider."""

    OPEN = "open"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask the customer to pay: ``amount_minor`` in minor units of ``currency``.

    ``reference`` comes back in everything the provider says, and makes asking twice harmless.
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


@dataclass(frozen=True, slots=True)
class Checkout:
    """The provider's hosted page for one order."""

    checkout_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFacts:
    """What the provider confirms about a payment. Empty or None: it does not say.

    ``amount_minor`` and ``currency`` are what was or would be paid, ``refunded_minor`` is the sum
    of all refunds and disputed amounts so far. ``reference`` and ``account_reference`` are ours.
    """

    status: PaymentStatus
    reference: str = ""
    account_reference: str = ""
    checkout_id: str = ""
    payment_id: str = ""
    amount_minor: int | None = None
    currency: str = ""
    refunded_minor: int = 0
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
        """Open a hosted page for ``order``; the same one for the same reference.

        Raises GatewayError.
        """

    def cancel_checkout(self, checkout_id: str) -> None:
        """Close a page that nobody paid on, so that nobody can. Raises GatewayError."""

    def fetch_payment(self, checkout_id: str) -> PaymentFacts:
        """Ask how the payment of a checkout stands now. Raises GatewayError."""

    def parse_webhook(self, *, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
        """Verify the signature over the raw ``body`` and read the event. Raises WebhookError."""

    def facts_of(self, payload: Mapping[str, Any]) -> PaymentFacts | None:
        """What a stored event says about a payment; None where it is not about one."""

    def refund(self, *, payment_id: str, amount_minor: int, currency: str, reference: str) -> None:
        """Pay ``amount_minor`` back, once per ``reference``. Raises GatewayError."""
