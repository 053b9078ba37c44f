"""The keys of an account as their pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.models import Account, ApiKey, Scope

ENDED_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in words. ``state`` is "Active", or how it ended; ``tag`` how it is coloured."""

    key: ApiKey
    state: str
    tag: str
    scopes: Sequence[str]
    made_by: str

    @property
    def is_active(self) -> bool:
        """Whether it opens anything."""
        return self.tag != ""


@dataclass(frozen=True, slots=True)
class KeyLists:
    """The keys that open something, and the newest of those that do no longer."""

    active: Sequence[KeyRow]
    ended: Sequence[KeyRow]

    def __bool__(self) -> bool:
        return bool(self.active or self.ended)


def keys_of(account: Account, *, now: datetime) -> KeyLists:
    """Read the keys of ``account``; one query."""
    found = ApiKey.objects.filter(account=account).select_related("created_by")
    rows = [key_row(key, now=now) for key in found]
    return KeyLists(
        active=[row for row in rows if row.is_active],
        ended=[row for row in rows if not row.is_active][:ENDED_SHOWN_MAX],
    )


def key_row(key: ApiKey, *, now: datetime) -> KeyRow:
    """``key`` in words; its maker should have been read with it."""
    state, tag = _state(key, now)
    scopes = [scope.value for scope in Scope if scope in key.scopes]
    maker = key.created_by.email if key.created_by is not None else "somebody who has left"
    return KeyRow(key, state, tag, scopes, maker)


def _state(key: ApiKey, now: datetime) -> tuple[str, str]:
    if key.revoked_at is not None:
        return ("Replaced" if key.replaced_by_id is not None else "Revoked"), ""
    if not key.is_valid_at(now):
        return ("Replaced" if key.replaced_by_id is not None else "Expired"), ""
    if key.replaced_by_id is not None:
        return "Being replaced", "warning"
    return "Active", "positive"
