"""What webhooks are answered: a status that tells whether to send again, and a word in JSON."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import uuid4

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from api.problems import STATUSES, problem_of
from billing.security_log import write_refusal

ADDRESSES = "/webhooks/"
TOO_LARGE = "the body is too large"


def received(what: str) -> HttpResponse:
    """Say that a message was taken, and ``what`` became of it."""
    return JsonResponse({"received": what})


def refused(request: HttpRequest, sender: str, status: int, reason: str) -> HttpResponse:
    """Say why a message of ``sender`` was not taken, and log it."""
    write_refusal(
        "refused: webhook",
        visitor=str(get_adapter().get_client_ip(request)),
        who=sender[:40],
        status=status,
        why=reason[:200],
    )
    return JsonResponse({"error": reason}, status=status)


def only_posts(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer 405 in JSON to whatever else than a POST asks for ``view``."""

    @wraps(view)
    def take(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        return JsonResponse(
            {"error": "messages are sent by POST"}, status=405, headers={"Allow": "POST"}
        )

    return take


def is_of_webhooks(request: HttpRequest) -> bool:
    """Whether a message was sent to an address of webhooks, whatever else is wrong with it."""
    return request.path_info.startswith(ADDRESSES)


@csrf_exempt
def no_such_webhook(request: HttpRequest) -> HttpResponse:
    """Answer 404 in JSON, and not with a page."""
    return JsonResponse({"error": "there is no such address"}, status=404)


def answer_outside_views(error: Exception) -> HttpResponse:
    """Answer a message that failed before it was taken, or by a fault of ours."""
    request_id = uuid4().hex
    problem = problem_of(error, request_id)
    return JsonResponse(
        {"error": problem.detail, "request_id": request_id},
        status=STATUSES[problem.code],
        headers=problem.headers,
    )
