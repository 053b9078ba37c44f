"""Numbers of pages in addresses: the address names the page that is shown."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect


def to_real_page(request: HttpRequest, *, shown: int) -> HttpResponse | None:
    """Redirect to the address of the page ``shown``, if ``request`` asks for another one.

    The other parameters stay. None where the address is right already.
    """
    if request.GET.get("page", "1") == str(shown):
        return None
    query = request.GET.copy()
    del query["page"]
    if shown > 1:
        query["page"] = str(shown)
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")
