"""The keys of requests to a provider: stored beforehand, they make asking twice harmless."""

from django.db.models import F

from billing.models import TopUp
from billing.payments.gateways import GatewayError


def numbered(key: str, top_up: TopUp) -> str:
    """The idempotency ``key`` of the next request about ``top_up``.

    A provider answers the same key with the same error. So what was answered with an error is tried
    again with another key, and what was not answered with the same.
    """
    return f"{key}-{top_up.refusals}" if top_up.refusals else key


def note_refusal(top_up: TopUp, error: GatewayError) -> None:
    """Let the next request have a new key, if this one was answered with an error."""
    if error.was_answered:
        TopUp.objects.filter(pk=top_up.pk).update(refusals=F("refusals") + 1)
