"""Help that needs no account: the reference of the API, which developers read who have a key only.

Whoever is in an account sees it in that account's frame.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing import clock
from dashboard.access import enter_last_seen
from dashboard.api_keys.examples import first_requests
from dashboard.help.reference import reference


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """Explain the API and list all that it takes and answers."""
    is_framed = enter_last_seen(request)
    context = {
        "layout": "frame.html" if is_framed else "entrance.html",
        "reference": reference(),
        "examples": first_requests(now=clock.now()),
        "address": f"{settings.SITE_URL}/api/v1/",
        "requests_max": settings.API_REQUESTS_PER_MINUTE,
    }
    return render(request, "dashboard/help/api_reference.html", context)
