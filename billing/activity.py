"""The activity log: whoever changes money, a plan, people or settings notes it here.

In the transaction of the change, one line::

    note(K.KEY_REVOKED, account=account, subject=key.name, changes=gone(scopes=key.scopes))

Who did it is known (`billing.acting`); the kind comes from `ActivityKind`, and a new one is one
line there. ``changes`` are made by one of

- `changed(before, after)`: two dictionaries with the same names, what is equal is left out;
  `facts_of(record, "name", "price")` makes one of a record's fields,
- `new(name=…)`: what was not there before, and `gone(name=…)`: what is not there any more.

Values are text, whole numbers, booleans, None, lists of text, aware datetimes, and `Money`; pages
show each in the reader's own way. Never note a secret: not a password, token, key or seed, nor a
hash of one. `note` refuses fields that are called like one.

An enforcing test walks all pages, forms, operators' actions and commands, and fails for one that
has no case: `tests/dashboard/activity/test_every_change_is_noted.py`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

from django.db import connection
from django.db.models import Model

from billing.acting import Actor, who_acts
from billing.models import Account, Activity, ActivityKind, Membership, User
from billing.models.activity import NAME_LENGTH_MAX, SUBJECT_LENGTH_MAX
from billing.models.ledger import REMARKS_LENGTH_MAX
from billing.texts import storable

__all__ = ["ActivityKind"]

TEXT_LENGTH_MAX = 500
LIST_LENGTH_MAX = 50
SECRETS = ("password", "secret", "token", "seed", "hash", "digest")


class Money(NamedTuple):
    """An amount in minor units of a currency."""

    minor: int
    currency: str


Value: TypeAlias = str | int | bool | datetime | Money | Iterable[str] | None
Facts: TypeAlias = Mapping[str, Any]
Changes: TypeAlias = Mapping[str, tuple[Any, Any]]

NO_CHANGES: Changes = {}


def note(
    kind: ActivityKind,
    *,
    account: Account | int | None,
    subject: str = "",
    changes: Changes = NO_CHANGES,
    reason: str = "",
    by: Actor | None = None,
) -> None:
    """Note in the log that ``kind`` was done, in the transaction that does it.

    ``account`` is the account, or its id; None where it concerns no single one. ``subject`` names
    what was changed, as people name it. ``by`` is who acts, where that is not who asked.
    """
    assert connection.in_atomic_block, "An activity is noted in the transaction of its change."
    actor = by or who_acts()
    Activity.objects.create(
        account_id=account.pk if isinstance(account, Account) else account,
        by_kind=actor.kind,
        by_user_id=actor.user_id,
        by_name=_text(actor.name, NAME_LENGTH_MAX),
        visitor=actor.visitor[:45],
        kind=kind,
        subject=_text(subject, SUBJECT_LENGTH_MAX),
        changes=[
            [_checked(name), _stored(before), _stored(after)]
            for name, (before, after) in changes.items()
        ],
        reason=_text(reason, REMARKS_LENGTH_MAX),
    )


def note_about_person(
    kind: ActivityKind, *, person: User, changes: Changes = NO_CHANGES, by: Actor | None = None
) -> None:
    """Note what was done to ``person`` in the log of each account of theirs, or in none's."""
    accounts: list[int | None] = list(
        Membership.objects.filter(user=person).order_by("account").values_list("account", flat=True)
    )
    for account_id in accounts or [None]:
        note(kind, account=account_id, subject=person.email, changes=changes, by=by)


def new(**facts: Value) -> Changes:
    """What was not there before."""
    return {name: (None, value) for name, value in facts.items()}


def gone(**facts: Value) -> Changes:
    """What is not there any more."""
    return {name: (value, None) for name, value in facts.items()}


def changed(before: Facts, after: Facts) -> Changes:
    """What differs between two readings of the same facts."""
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }


def facts_of(record: Model | None, *names: str) -> dict[str, Any]:
    """The fields ``names`` of ``record``; of none, nothing."""
    return {name: getattr(record, name) for name in names} if record is not None else {}


def _checked(name: str) -> str:
    assert not any(secret in name for secret in SECRETS), f"“{name}” may be a secret."
    return name


def _stored(value: Any) -> Any:
    """``value`` as JSON, from which pages make words."""
    if isinstance(value, Money):
        return {"minor": value.minor, "currency": value.currency}
    if isinstance(value, datetime):
        return {"at": value.astimezone(UTC).isoformat()}
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_text(str(each), TEXT_LENGTH_MAX) for each in list(value)[:LIST_LENGTH_MAX]]
    return _text(str(value), TEXT_LENGTH_MAX)


def _text(text: str, length_max: int) -> str:
    text = storable(text)
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"
