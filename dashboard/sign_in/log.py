"""Log lines about sign-in and changes: who, what, from where. One JSON object a line.

Never a password, code or token: what somebody typed as an address may be a password, so that only
known addresses are written.
"""

import logging
from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from billing.models import User

logger = structlog.wrap_logger(
    logging.getLogger("security"),
    wrapper_class=structlog.stdlib.BoundLogger,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ],
)


def note(event: str, *, request: HttpRequest | None, user: Any = None, **facts: Any) -> None:
    """Write one line: ``event`` is in words, ``facts`` are further values."""
    write(
        event,
        who=f"{user.pk} {user.email}" if user is not None and user.pk else "unknown",
        visitor=get_adapter().get_client_ip(request) if request is not None else "",
        **facts,
    )


def write(event: str, **facts: Any) -> None:
    """Write one line."""
    logger.info(event, **facts)


def known(address: str) -> User | None:
    """Return who signs in with ``address``, if anybody."""
    return User.objects.filter(email=address.strip().lower()).first()
