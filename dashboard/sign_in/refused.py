"""A line in the log for each page, or part of the API, that somebody asked for and may not have."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from billing.models import ActorKind
from billing.security_log import write_refusal
from dashboard.sign_in.acting import actor_of

FORBIDDEN = 403


class RefusedMiddleware:
    """Notes each 403: who asked, from where, for what."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Look at the answer only."""
        response = self.get_response(request)
        if response.status_code == FORBIDDEN:
            _note(request)
        return response


def _note(request: HttpRequest) -> None:
    """Name the pattern of the address, never the address: there may be a token in it."""
    actor = actor_of(request)
    is_known = actor.kind is not ActorKind.SYSTEM
    match = request.resolver_match
    write_refusal(
        "refused: page",
        visitor=actor.visitor,
        who=f"{actor.user_id or actor.kind} {actor.name}" if is_known else "unknown",
        method=request.method,
        page=match.route if match else "",
        account=match.kwargs.get("slug", "") if match else "",
    )
