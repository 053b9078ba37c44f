"""Answers to requests that fail: they read no more of the request than its path.

Anything else may be what is wrong. Django's own handlers look for a CSRF token in the form, and
fail again where it can't be read. To programs their own notation is spoken.
"""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from api import problems, webhooks
from billing.outage import is_outage

RETRY_AFTER_SECONDS = 10


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    if answered := _answered_to_programs(request, exception):
        return answered
    return HttpResponse(render_to_string("400.html"), status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 where the database is away or hangs, else 500."""
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and (answered := _answered_to_programs(request, error)):
        return answered
    if is_outage(error):
        return HttpResponse(
            render_to_string("503.html"),
            status=503,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    return HttpResponse(render_to_string("500.html"), status=500)


def _answered_to_programs(request: HttpRequest, error: Exception) -> HttpResponse | None:
    if problems.is_of_api(request):
        return problems.answer_outside_views(error)
    return webhooks.answer_outside_views(error) if webhooks.is_of_webhooks(request) else None
