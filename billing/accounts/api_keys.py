"""Making, replacing, revoking and finding the API keys of accounts.

A key is the account's, not its maker's: it goes on when they leave. Nobody makes or replaces a key
with a scope that they lack themselves; whoever manages keys may revoke any. A key that others were
replaced by is not revoked without those of them that still work.
Rule: "Who may do what".
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from billing.accounts import key_format
from billing.activity import ActivityKind, gone, new, note
from billing.models import Account, ApiKey, Membership, Role, Scope, User
from billing.models.api_key import NAME_LENGTH_MAX
from billing.plans.closed import hold_open
from billing.refusals import Refusal
from billing.texts import UNSTORABLE

KEYS_MAX = 50  # that are valid at a time, in one account
GRACE = timedelta(hours=24)
USE_NOTED_EVERY = timedelta(minutes=1)

SCOPES_OF: dict[str, frozenset[Scope]] = {
    Role.SUPERADMIN: frozenset(Scope),
    Role.ADMIN: frozenset(Scope) - {Scope.TOPUPS_WRITE},
    Role.MEMBER: frozenset(),
}

LACKS_SCOPE = "This key may do what only a Superadmin may give. Ask one of them."


class ApiKeyError(Refusal):
    """A key that can't be made, replaced or revoked."""


class MadeKey(NamedTuple):
    """A new key. ``secret`` is the key itself: it is shown once and stored nowhere."""

    key: ApiKey
    secret: str


def scopes_to_give(membership: Membership) -> list[Scope]:
    """The scopes that the person may give to a key, in their order."""
    own = SCOPES_OF[membership.role]
    return [scope for scope in Scope if scope in own]


def create_key(
    *,
    membership: Membership,
    public_id: UUID,
    name: str,
    scopes: Collection[str],
    expires_at: datetime | None,
    now: datetime,
) -> MadeKey:
    """Make a key for the account of ``membership``, who makes it.

    ``public_id`` comes with the form, so that a form sent twice makes one key. Raises ApiKeyError,
    and AccountClosedError.
    """
    name = _readable_name(name)
    given = [scope for scope in scopes_to_give(membership) if scope in scopes]
    if len(given) != len(set(scopes)):
        raise ApiKeyError("Nobody can give what they may not do themselves.", field="scopes")
    if not given:
        raise ApiKeyError("Choose at least one thing that the key may do.", field="scopes")
    if expires_at is not None and expires_at <= now:
        raise ApiKeyError("This day is over. Choose a later one, or none.", field="expires_at")
    with transaction.atomic():
        account = hold_open(membership.account_id)
        if valid_keys(account, at=now).count() >= KEYS_MAX:
            raise ApiKeyError(
                f"The account has {KEYS_MAX} keys already, which is the most. Revoke one first."
            )
        made = _store(membership, public_id, name, given, expires_at, now)
        note(
            ActivityKind.KEY_MADE,
            account=account,
            subject=name,
            changes=new(scopes=given, expires_at=expires_at),
        )
        return made


def rotate_key(
    *, membership: Membership, key: ApiKey, public_id: UUID, at_once: bool, now: datetime
) -> MadeKey:
    """Replace ``key`` by a new one with its name, scopes and end.

    The old one ends ``at_once``, or after 24 hours, in which both open the same. Raises
    ApiKeyError where it has ended or was replaced already, or may do what the person may not.
    """
    with transaction.atomic():
        hold_open(membership.account_id)
        old = ApiKey.objects.select_for_update().get(pk=key.pk)
        if not may_rotate(membership, old):
            raise ApiKeyError(LACKS_SCOPE)
        if not old.is_valid_at(now):
            raise ApiKeyError("This key has ended. Make a new one instead.")
        if old.replaced_by_id is not None:
            raise ApiKeyError("This key was replaced already: its successor is in the list.")
        scopes = [scope for scope in Scope if scope in old.scopes]
        made = _store(membership, public_id, old.name, scopes, old.expires_at, now)
        old.replaced_by = made.key
        if at_once:
            old.revoked_at, old.revoked_by = now, membership.user
        else:
            old.expires_at = min(old.expires_at or now + GRACE, now + GRACE)
        old.save()
        note(
            ActivityKind.KEY_CHANGED,
            account=membership.account_id,
            subject=old.name,
            changes=new(replaced_by=made.key.shown, ends_at=now if at_once else old.expires_at),
        )
    return made


def may_rotate(membership: Membership, key: ApiKey) -> bool:
    """Whether the person may have a new key with the scopes of ``key``."""
    return SCOPES_OF[membership.role].issuperset(map(Scope, key.scopes))


def revoke_key(*, membership: Membership, key: ApiKey, now: datetime) -> list[ApiKey]:
    """End ``key`` at once, and those that it replaces and that still work; return these.

    Whoever revokes a key stops a program, which would go on with the one before. One that has ended
    stays as it is.
    """
    with transaction.atomic():
        before = replaced_keys(key, at=now)
        for each in (key, *before):
            ended = ApiKey.objects.filter(pk=each.pk, revoked_at=None).update(
                revoked_at=now, revoked_by=membership.user
            )
            if ended:
                note(
                    ActivityKind.KEY_REVOKED,
                    account=membership.account_id,
                    subject=each.name,
                    changes=gone(scopes=each.scopes),
                )
    return before


def replaced_keys(key: ApiKey, *, at: datetime) -> list[ApiKey]:
    """The keys in whose place ``key`` was made and that still work ``at`` this time, the latest
    first."""
    found = []
    replaced = ApiKey.objects.filter(replaced_by=key).first()
    while replaced is not None and replaced.is_valid_at(at):
        found.append(replaced)
        replaced = ApiKey.objects.filter(replaced_by=replaced).first()
    return found


def revoke_all(*, account: Account, by: User, now: datetime) -> int:
    """End all keys of ``account`` that are valid; return how many."""
    with transaction.atomic():
        keys = list(valid_keys(account, at=now).select_for_update())
        for key in keys:
            key.revoked_at, key.revoked_by = now, by
            key.save(update_fields=["revoked_at", "revoked_by"])
            note(
                ActivityKind.KEY_REVOKED,
                account=account,
                subject=key.name,
                changes=gone(scopes=key.scopes),
            )
    return len(keys)


def valid_keys(account: Account, *, at: datetime) -> QuerySet[ApiKey]:
    """The keys of ``account`` that open anything at ``at``, newest first."""
    goes_on = Q(expires_at=None) | Q(expires_at__gt=at)
    return ApiKey.objects.filter(goes_on, account=account, revoked_at=None)


def find_key(*, secret: str, at: datetime) -> ApiKey | None:
    """The key ``secret`` with its account and balance, where it is valid at ``at``.

    One query; none where the checksum is wrong.
    """
    if not key_format.is_well_formed(secret):
        return None
    found = (
        ApiKey.objects.select_related("account__balance")
        .filter(digest=key_format.digest_of(secret))
        .first()
    )
    if found is None or found.account.closed_at is not None:
        return None
    return found if found.is_valid_at(at) else None


def note_use(*, key: ApiKey, at: datetime) -> None:
    """Note that ``key`` was used, at most once a minute."""
    if key.last_used_at is None or at - key.last_used_at >= USE_NOTED_EVERY:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=at)


def _readable_name(name: str) -> str:
    name = " ".join(name.split())
    if not any(character.isprintable() for character in name):
        raise ApiKeyError("Name it after the program that uses it.", field="name")
    if len(name) > NAME_LENGTH_MAX:
        raise ApiKeyError(f"Use at most {NAME_LENGTH_MAX} characters.", field="name")
    if UNSTORABLE.search(name):
        raise ApiKeyError("This has a control character; remove it.", field="name")
    return name


def _store(
    membership: Membership,
    public_id: UUID,
    name: str,
    scopes: Collection[Scope],
    expires_at: datetime | None,
    now: datetime,
) -> MadeKey:
    if ApiKey.objects.filter(public_id=public_id).exists():
        raise ApiKeyError(
            "This form was sent already, and a key is shown only once. If nobody has written it "
            "down, revoke it and make another."
        )
    secret = key_format.new_key()
    key = ApiKey.objects.create(
        account_id=membership.account_id,
        public_id=public_id,
        name=name,
        digest=key_format.digest_of(secret),
        beginning=key_format.beginning_of(secret),
        ending=key_format.ending_of(secret),
        scopes=list(scopes),
        created_by=membership.user,
        created_at=now,
        expires_at=expires_at,
    )
    return MadeKey(key, secret)
