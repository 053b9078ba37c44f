"""What webhooks are answered: a status that tells whether to send again, and a word in JSON."""

import logging

from django.http import HttpResponse, JsonResponse

logger = logging.getLogger(__name__)

TOO_LARGE = "the body is too large"


def received(what: str) -> HttpResponse:
    """Say that a message was taken, and ``what`` became of it."""
    return JsonResponse({"received": what})


def refused(sender: str, status: int, reason: str) -> HttpResponse:
    """Say why a message of ``sender`` was not taken, and log it."""
    logger.warning("Webhook of %.40s refused with %s: %s", sender, status, reason)
    return JsonResponse({"error": reason}, status=status)
