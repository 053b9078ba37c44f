"""The sandbox provider's own background work: it reports over HTTP, as a real one would."""

import requests
from celery import shared_task
from django.conf import settings

from billing import clock
from billing.payments.gateways.signatures import sign
from billing.queue import RETRYING
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxDispute, SandboxRefund

# A provider reports to the address that an operator has entered there.
WEBHOOK_PATH = "/webhooks/sandbox/"


@shared_task(**{**RETRYING, "max_retries": 8})
def deliver_sandbox_event(checkout_id: str, event_id: str, as_status: str = "") -> None:
    """Report from the sandbox provider how a checkout stands, as a real one would: over HTTP.

    ``as_status`` reports how it stood before, for events that arrive in the wrong order.
    """
    checkout = gateway.checkout_now(checkout_id=checkout_id, now=clock.now())
    checkout.status = as_status or checkout.status
    _post(gateway.event_body(about=checkout, event_id=event_id))


@shared_task(**{**RETRYING, "max_retries": 8})
def deliver_sandbox_reversal(kind: str, pk: int, event_id: str) -> None:
    """Report how a ``refund`` or a ``dispute`` stands."""
    books = SandboxRefund.objects if kind == "refund" else SandboxDispute.objects
    about = books.select_related("checkout").get(pk=pk)
    _post(gateway.event_body(about=about, event_id=event_id))


def _post(body: bytes) -> None:
    signature = sign(body=body, secret=settings.SANDBOX_WEBHOOK_SECRET, at=clock.now())
    requests.post(
        settings.SITE_URL + WEBHOOK_PATH,
        data=body,
        headers={gateway.SIGNATURE_HEADER: signature, "Content-Type": "application/json"},
        timeout=10,
    ).raise_for_status()
