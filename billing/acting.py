"""Who is acting: set once by the door that somebody came through, read where a change is noted.

Pages set it for each request, `ActingCommand` for each command; whatever runs without a door (a
worker) acts by itself. So no domain function has to be handed through who called it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand

from billing.models import ActorKind, User


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the activity log keeps it.

    ``name`` is what the actor is called now: a person's address, a command, a key. ``visitor`` is
    the network address that the request came from, "" where there was no request.
    """

    kind: ActorKind
    name: str = ""
    user_id: int | None = None
    visitor: str = ""

    @classmethod
    def person(cls, user: User, *, visitor: str = "", is_operator: bool = False) -> "Actor":
        """Somebody who signs in."""
        kind = ActorKind.OPERATOR if is_operator else ActorKind.PERSON
        return cls(kind=kind, name=user.email, user_id=user.pk, visitor=visitor)


ITSELF = Actor(kind=ActorKind.SYSTEM)

_acting: ContextVar[Callable[[], Actor] | None] = ContextVar("acting", default=None)


@contextmanager
def acting_as(find: Callable[[], Actor]) -> Iterator[None]:
    """Let ``find`` say who acts in this block. It is called only where a change is noted."""
    token = _acting.set(find)
    try:
        yield
    finally:
        _acting.reset(token)


def who_acts() -> Actor:
    """Return who acts here and now."""
    find = _acting.get()
    return find() if find is not None else ITSELF


class ActingCommand(BaseCommand):
    """A command whose changes are noted under its own name. Every command that writes is one."""

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run it as the actor."""
        name = type(self).__module__.rpartition(".")[2]
        with acting_as(lambda: Actor(kind=ActorKind.COMMAND, name=name)):
            return super().execute(*args, **options)
