"""How the API says that something failed: problem documents of RFC 9457.

``type`` leads to the words about it in the reference. Each of ``errors`` points at one place: a
JSON pointer into the body, or the name of a query parameter or a header.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    SuspiciousOperation,
    TooManyFieldsSent,
)
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.views import set_rollback

from billing.outage import is_outage

CONTENT_TYPE = "application/problem+json"
REFERENCE = "/help/api/"
ADDRESSES = "/api/"
RETRY_AFTER_SECONDS = 10

TITLES = {
    "bad-request": "The request can’t be read",
    "unauthorized": "A valid key is needed",
    "forbidden": "This key may not do that",
    "not-found": "There is no such thing",
    "method-not-allowed": "This address takes other methods",
    "conflict": "That can’t be done now",
    "too-large": "The body is too large",
    "unsupported-media-type": "The body must be JSON",
    "unusable": "The body can’t be used",
    "too-many-requests": "Too many requests",
    "error": "A fault of ours",
    "provider": "The payment provider did not open a page",
    "unavailable": "Not available for the moment",
}
STATUSES = {
    "bad-request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "conflict": 409,
    "too-large": 413,
    "unsupported-media-type": 415,
    "unusable": 422,
    "too-many-requests": 429,
    "error": 500,
    "provider": 502,
    "unavailable": 503,
}

OTHER_METHOD = "The header Allow says which methods it takes."

logger = logging.getLogger(__name__)


class Problem(Exception):
    """An answer that is no success: which ``code`` of `STATUSES`, and what to do in words."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self, request_id: str) -> HttpResponse:
        """Return the document."""
        document: dict[str, Any] = {
            "type": f"{settings.SITE_URL}{REFERENCE}#{self.code}",
            "title": TITLES[self.code],
            "status": STATUSES[self.code],
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = list(self.errors)
        return HttpResponse(
            json.dumps(document, ensure_ascii=True),
            status=STATUSES[self.code],
            content_type=CONTENT_TYPE,
            headers=dict(self.headers),
        )


def at_parameter(name: str, detail: str) -> Problem:
    """What is wrong with a parameter of the query."""
    return Problem("bad-request", detail, errors=[{"parameter": name, "detail": detail}])


def at_pointer(pointer: str, detail: str, *, code: str = "unusable") -> Problem:
    """What is wrong with a place in the body."""
    return Problem(code, detail, errors=[{"pointer": pointer, "detail": detail}])


def pointer_to(*steps: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def answer(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Turn any exception of a view into its problem document; DRF calls this."""
    set_rollback()
    request_id = context["view"].request_id
    return problem_of(error, request_id).response(request_id)


def is_of_api(request: HttpRequest) -> bool:
    """Whether a program asked by an address of the API, whatever else is wrong with it."""
    return request.path_info.startswith(ADDRESSES)


def answer_outside_views(error: Exception) -> HttpResponse:
    """Answer a request that failed before a view of the API had it, or has no view there."""
    request_id = uuid4().hex
    response = problem_of(error, request_id).response(request_id)
    response["X-Request-Id"] = request_id
    return response


def problem_of(error: Exception, request_id: str) -> Problem:
    """The problem that an exception is; one of ours by accident is logged with the request."""
    match error:
        case Problem():
            return error
        case Http404():
            return Problem("not-found", "Nothing of this account has this address.")
        case PermissionDenied():
            return Problem("forbidden", "This key may not do that.")
        case exceptions.MethodNotAllowed():
            return Problem("method-not-allowed", OTHER_METHOD)
        case exceptions.UnsupportedMediaType():
            return Problem(
                "unsupported-media-type", "Send JSON, with Content-Type: application/json."
            )
        case exceptions.ParseError():
            return at_pointer("", str(error.detail), code="bad-request")
        case DisallowedHost():
            detail = f"Nothing is at this host. Send requests to {settings.SITE_URL}."
            return Problem("bad-request", detail, errors=[{"header": "Host", "detail": detail}])
        case TooManyFieldsSent():
            return Problem("bad-request", "The address has too many parameters.")
        case SuspiciousOperation():
            return Problem("bad-request", "Something in the request is malformed.")
        case _ if is_outage(error):
            logger.warning("Request %s: the database is away: %s", request_id, error)
            return Problem(
                "unavailable",
                "Try again in a moment: a request that records calls can be sent again whole.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
    logger.error("Request %s failed", request_id, exc_info=error)
    return Problem(
        "error",
        "Something here failed. Nothing was half done: send the request again, and if it fails "
        "once more, tell us its request_id.",
    )
