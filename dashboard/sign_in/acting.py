"""Who acts in a request: the person who is signed in, from where."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponseBase

from billing.acting import Actor, acting_as
from billing.models import ActorKind, User


class ActingMiddleware:
    """Lets whatever a request changes be noted with who asked for it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Costs nothing where nothing is changed."""
        with acting_as(lambda: actor_of(request)):
            return self.get_response(request)


def actor_of(request: HttpRequest, user: User | None = None) -> Actor:
    """Return who acts in ``request``: ``user`` where they proved it otherwise than by a session."""
    # A program, which the API knows by its key, or nobody.
    known: Actor | None = getattr(request, "actor", None)
    if known is not None:
        return known
    visitor = str(get_adapter().get_client_ip(request))
    person = user or request.user
    if not isinstance(person, User) or not person.is_authenticated:
        return Actor(kind=ActorKind.SYSTEM, visitor=visitor)
    own = getattr(request, "membership", None)  # on the pages of an account
    is_member = own is not None and own.pk is not None
    return Actor.person(person, visitor=visitor, is_operator=person.is_staff and not is_member)
