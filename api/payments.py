"""Where payment providers report to: verify, store, answer; the work is done by a task.

Owns the HTTP side only. Its answers tell a provider whether to send an event again: 2xx is "we
have it", 4xx "do not believe we ever will", 5xx "try later".
"""

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api.bodies import is_larger, reads_bodies
from api.webhooks import TOO_LARGE, only_posts, received, refused
from billing import clock
from billing.payments import events
from billing.payments.gateways import UnavailableGatewayError, WebhookError
from billing.payments.tasks import process_payment_event
from billing.queue import enqueue

BODY_BYTES_MAX = 256 * 1024


@reads_bodies
@csrf_exempt
@only_posts
def webhook(request: HttpRequest, gateway: str) -> HttpResponse:
    """Take one event of ``gateway``.

    200 stored or known already, 400 forged, stale or unreadable, 404 no such gateway, 413 too
    large. What the event then means for a top-up is logged with the event, never answered.
    """
    if is_larger(request, BODY_BYTES_MAX):
        return refused(request, gateway, 413, TOO_LARGE)
    try:
        with transaction.atomic():
            event = events.receive(
                gateway=gateway, body=request.read(), headers=request.headers, now=clock.now()
            )
            if event is not None:
                enqueue(process_payment_event, event.pk)
    except WebhookError as error:
        return refused(request, gateway, 400, str(error))
    except UnavailableGatewayError:
        return refused(request, gateway, 404, "there is no such gateway")
    return received("stored" if event else "known")
