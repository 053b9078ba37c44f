"""How pages answer: with a part where htmx asks for one, and at the address of what is shown."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.access import AccountRequest


def wants_part(request: AccountRequest) -> bool:
    """Return whether htmx asks for a part of a page that is open, not for a page to go to."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render_page(
    request: AccountRequest,
    page: str,
    context: Mapping[str, Any],
    *,
    part: str,
    status: int = 200,
) -> HttpResponse:
    """Render the template ``page``, or ``part`` of it where only that is wanted."""
    template = part if wants_part(request) else page
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
    return response


def to_real_page(request: HttpRequest, *, shown: int) -> HttpResponse | None:
    """Redirect to the address of the page ``shown``, if ``request`` asks for another one.

    The other parameters stay. Returns None where the address is right already.
    """
    if request.GET.get("page", "1") == str(shown):
        return None
    query = request.GET.copy()
    del query["page"]
    if shown > 1:
        query["page"] = str(shown)
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
