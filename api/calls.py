"""Where call platforms report to: verify, store, answer; a worker makes calls of it.

Owns the HTTP side only. Its answers tell a platform whether to send a message again: 2xx is "we
have it", or do not want it; 401 "it is not of this source, or can't be read"; 404 "there is no such
source"; 413 "too large".
"""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api.bodies import is_larger, reads_bodies
from api.webhooks import TOO_LARGE, only_posts, received, refused
from billing import clock
from calls.inbox.receiving import BODY_BYTES_MAX, Received, find, receive
from calls.inbox.refused import note_refused
from calls.platforms import Delivery, ForgedError
from calls.tasks import queue_drain


@reads_bodies
@csrf_exempt
@only_posts
def calls_webhook(request: HttpRequest, kind: str, public_id: UUID) -> HttpResponse:
    """Take one message of the source with ``public_id``."""
    if is_larger(request, BODY_BYTES_MAX):
        return refused(request, kind, 413, TOO_LARGE)
    source = find(kind=kind, public_id=public_id)
    if source is None:
        return refused(request, kind, 404, "there is no such source")
    delivery = Delivery(
        body=request.read(),
        headers=request.headers,
        # Never from the request's Host: the platform signs the address that it was given.
        url=f"{settings.SITE_URL}{request.get_full_path()}",
        content_type=request.content_type or "",
    )
    try:
        taken = receive(source=source, delivery=delivery, now=clock.now())
    except ForgedError as error:
        note_refused(source_id=source.pk, reason=str(error), now=clock.now())
        return refused(request, kind, 401, str(error))
    if taken is Received.STORED:
        queue_drain()
    return received(taken.value)
