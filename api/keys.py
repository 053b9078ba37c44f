"""Who asks: the key in the header Authorization, what it may do, and how often.

A key sees exactly its account. Sessions of people open nothing here, so there is nothing to forge
with a cookie.
"""

from typing import Any, NamedTuple

from allauth.account.adapter import get_adapter
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from api import limits
from api.problems import Problem
from billing import clock
from billing.accounts.api_keys import find_key, note_use
from billing.accounts.attempts import visitor_of
from billing.acting import Actor
from billing.models import ActorKind, ApiKey, Scope
from billing.security_log import write_refusal

SCHEME = "bearer"
CHALLENGE = {"WWW-Authenticate": "Bearer"}


class Client(NamedTuple):
    """The program that asks, for DRF: it is no person."""

    key: ApiKey
    is_authenticated: bool = True


class KeyAuthentication(BaseAuthentication):
    """Finds the key of ``Authorization: Bearer ccl_live_…``: one query, none for a forged one."""

    def authenticate(self, request: Request) -> tuple[Client, ApiKey]:
        """Return the key with its account. Raises Problem: 401, or 429 for too many such."""
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        now = clock.now()
        key = None
        if scheme.lower() == SCHEME:
            key = find_key(secret=secret.strip(), at=now)
        if key is None:
            raise _refusal(request, is_named=bool(scheme))
        note_use(key=key, at=now)
        request._request.actor = Actor(  # type: ignore[attr-defined]
            kind=ActorKind.KEY, name=key.name, visitor=get_adapter().get_client_ip(request._request)
        )
        return Client(key), key

    def authenticate_header(self, request: Request) -> str:
        """What a client is told to send."""
        return CHALLENGE["WWW-Authenticate"]


def _refusal(request: Request, *, is_named: bool) -> Problem:
    address = str(get_adapter().get_client_ip(request._request))
    why = "no such key" if is_named else "no key"
    write_refusal("refused: key", visitor=address, who="unknown", why=why)
    counted = limits.count(limits.of_visitor(), visitor_of(address))
    if counted is not None and counted.is_over:
        return Problem(
            "too-many-requests",
            f"Too many requests without a valid key. Wait {counted.resets_in_seconds} s.",
            headers=counted.headers,
        )
    detail = (
        "This key is not known, was revoked or has ended. Make one under Settings → API keys."
        if is_named
        else "Send a key: Authorization: Bearer ccl_live_…. Make one under Settings → API keys."
    )
    return Problem("unauthorized", detail, headers=CHALLENGE)


def count_request(key: ApiKey) -> limits.Counted | None:
    """Count a request of ``key``. Raises Problem where it is one too many."""
    counted = limits.count(limits.of_key(), key.digest)
    if counted is not None and counted.is_over:
        raise Problem(
            "too-many-requests",
            f"At most {counted.policy.quota:,} requests a minute. A request may hold up to 1,000 "
            f"calls. Wait {counted.resets_in_seconds} s.",
            headers=counted.headers,
        )
    return counted


def require(key: ApiKey, scope: Scope) -> None:
    """Raise Problem unless ``key`` has the ``scope``."""
    if scope not in key.scopes:
        raise Problem(
            "forbidden",
            f"This key lacks the scope {scope.value}. Make one that has it under Settings → API "
            "keys.",
        )


def noted(value: Any) -> str:
    """A value that somebody sent, to be repeated in a sentence."""
    return str(value)[:40]
