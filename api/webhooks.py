"""What webhooks are answered: a status that tells whether to send again, and a word in JSON."""

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse, JsonResponse

from billing.security_log import write_refusal

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
