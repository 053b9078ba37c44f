"""Log lines about sign-in and changes: who, what, from where (`billing.security_log`).

What somebody typed as an address may be a password, so that only known addresses are written.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from django.http import HttpRequest

from billing.models import User
from billing.security_log import write


def note(event: str, *, request: HttpRequest | None, user: Any = None, **facts: Any) -> None:
    """Write one line: ``event`` is in words, ``facts`` are further values."""
    write(
        event,
        who=f"{user.pk} {user.email}" if user is not None and user.pk else "unknown",
        visitor=get_adapter().get_client_ip(request) if request is not None else "",
        **facts,
    )


def known(address: str) -> User | None:
    """Return who signs in with ``address``, if anybody."""
    return User.objects.filter(email=address.strip().lower()).first()
