"""Nothing that a person saw stays in a cache for whoever uses the browser next."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase


class PrivateMiddleware:
    """Marks every answer ``no-store`` that does not say itself how long it may be kept.

    Static files are answered before it. Pages that a browser shows from memory all the same load
    anew by themselves (`static/js/fresh.js`).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, and let nobody keep it."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
