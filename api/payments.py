"""Where payment providers report to: verify, store, answer; the work is done by a task.

Owns the HTTP side only. Its answers tell a provider whether to send an event again: 2xx is "we
have it", 4xx "do not believe we ever will", 5xx "try later".
"""

import logging
from contextlib import suppress
from typing import BinaryIO

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.payments import events
from billing.payments.gateways import UnavailableGatewayError, WebhookError
from billing.payments.tasks import process_payment_event
from billing.queue import enqueue

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 256 * 1024
# Who is still sending when the connection closes sees a broken pipe instead of the answer. So much
# of what is too large is read and forgotten, a piece at a time.
FORGOTTEN_BYTES_MAX = 64 * 1024 * 1024
PIECE_BYTES = 64 * 1024


@csrf_exempt
@require_POST
def webhook(request: HttpRequest, gateway: str) -> HttpResponse:
    """Take one event of ``gateway``.

    200 stored or known already, 400 forged, stale or unreadable, 404 no such gateway, 413 too
    large. What the event then means for a top-up is logged with the event, never answered.
    """
    length = request.headers.get("Content-Length", "")
    # Django reads nothing of a body that comes in chunks, without its length. Where the server
    # knows its end (gunicorn does), it is read all the same.
    is_terminated = not length and request.META.get("wsgi.input_terminated")
    stream = request.META["wsgi.input"] if is_terminated else request
    is_too_large = length.isdigit() and int(length) > BODY_BYTES_MAX
    body: bytes = b"" if is_too_large else stream.read(BODY_BYTES_MAX + 1)
    if is_too_large or len(body) > BODY_BYTES_MAX:
        _forget(stream)
        return _refused(gateway, 413, "the body is too large")
    try:
        with transaction.atomic():
            event = events.receive(
                gateway=gateway, body=body, headers=request.headers, now=timezone.now()
            )
            if event is not None:
                enqueue(process_payment_event, event.pk)
    except WebhookError as error:
        return _refused(gateway, 400, str(error))
    except UnavailableGatewayError:
        return _refused(gateway, 404, "there is no such gateway")
    return HttpResponse("stored" if event else "known", content_type="text/plain")


def _forget(stream: BinaryIO | HttpRequest) -> None:
    """Read on, up to the limit and as long as the sender sends."""
    with suppress(OSError):
        for _ in range(FORGOTTEN_BYTES_MAX // PIECE_BYTES):
            if not stream.read(PIECE_BYTES):
                return


def _refused(gateway: str, status: int, reason: str) -> HttpResponse:
    logger.warning("Webhook of %.40s refused with %s: %s", gateway, status, reason)
    return HttpResponse(reason, status=status, content_type="text/plain")
