"""Reading what a provider sent: JSON that is signed, and still of a shape that nobody promised."""

import json
from datetime import UTC, datetime
from typing import Any

from billing.payments.gateways.base import WebhookError, WebhookEvent

TEXT_LENGTH_MAX = 255
CODE_LENGTH = 3
AMOUNT_MAX = 10**15  # far above every payment, far below what the database can't store


def event_of(body: bytes) -> WebhookEvent:
    """An event: an object with an ``id`` and a ``type``. Raises WebhookError for all else."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WebhookError("the body is not JSON") from error
    event_id, event_type = text(mapping(payload).get("id")), text(mapping(payload).get("type"))
    if not event_id or not event_type:
        raise WebhookError("the body is not an event")
    return WebhookEvent(event_id, event_type, payload)


def mapping(value: Any) -> dict[str, Any]:
    """The object; empty where it is none."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """The text; empty where it is none, or longer than any id of a provider."""
    return value if isinstance(value, str) and len(value) <= TEXT_LENGTH_MAX else ""


def currency_of(value: Any) -> str:
    """The currency's code; empty where it can't be one of ISO 4217."""
    code = text(value)
    return code if len(code) == CODE_LENGTH and code.isascii() else ""


def instant(value: Any) -> datetime | None:
    """The instant, in seconds since 1970; None where it is none."""
    seconds = whole(value)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, ValueError):  # beyond the years that there are
        return None


def whole(value: Any) -> int | None:
    """The amount, a whole number; None where it is none, or can't be one of money."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= AMOUNT_MAX else None
