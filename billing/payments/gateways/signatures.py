"""Signed messages: ``t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">``, Stripe's scheme."""

import hashlib
import hmac
import time
from datetime import datetime

from billing.payments.gateways.base import WebhookError

TOLERANCE_SECONDS = 300


def sign(*, body: bytes, secret: str, at: datetime) -> str:
    """The header that proves ``body`` was sent by who knows ``secret``, at ``at``."""
    timestamp = int(at.timestamp())
    message = f"{timestamp}.".encode() + body
    return f"t={timestamp},v1={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


def verify(*, body: bytes, header: str, secret: str) -> None:
    """Raise WebhookError unless ``header`` proves ``body`` and is at most 5 minutes off the clock.

    The SDK refuses what is older; what is newer could be repeated until its time has come.
    """
    if not header:
        raise WebhookError("the signature header is missing")
    if not secret:
        raise WebhookError("there is no secret to check the signature with")
    import stripe  # noqa: PLC0415  (it takes long to load, and most processes check none)

    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError) as error:
        raise WebhookError(f"the signature was refused: {error}") from error
    signed_at = dict(part.partition("=")[::2] for part in header.split(","))["t"]
    if int(signed_at) > time.time() + TOLERANCE_SECONDS:
        raise WebhookError("the signature was refused: it is from the future")
