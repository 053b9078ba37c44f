"""What the rows of the activity log say. Facts are stored; here they become words.

A field that is not named here is called what the code calls it, with spaces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from django.template.defaultfilters import filesizeformat

from billing.models import Activity, ActorKind, Role
from billing.money import format_money
from billing.texts import grouped
from billing.zones import local

FIELDS: Mapping[str, str] = {
    "bytes": "Size",
    "concurrent_calls": "Calls at a time",
    "credits_max": "Most credits",
    "credits_min": "Fewest credits",
    "credits_per_cycle": "Credits a cycle",
    "effective_from": "From",
    "email": "E-mail",
    "expires_at": "Expires",
    "increment_seconds": "Billing increment",
    "is_active": "Active",
    "is_best_value": "Best value",
    "is_staff": "Operator",
    "is_superuser": "May make operators",
    "may_revise": "May revise known calls",
    "number": "Import",
    "once_more": "Once more, after import",
    "replaced": "In place of an earlier one",
    "slug": "Short name",
    "starts": "From",
    "superadmin": "First Superadmin",
    "wants_credit_mails": "Mails about credits",
    "warns_at": "Warns at",
}
LABELS: Mapping[str, Mapping[str, str]] = {
    "role": dict(Role.choices),
    "wants_credit_mails": {"True": "on", "False": "off"},
}
NOTHING = "none"
WITHOUT_GROUPS = frozenset({"number", "once_more", "order"})  # they number, they do not count


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One value before and after; where there was or is none, that side is empty."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before and self.after:
            return f"{self.name}: {self.before} → {self.after}"
        return f"{self.name}: {self.after or f'{self.before}, no longer'}"


@dataclass(frozen=True, slots=True)
class ShownActivity:
    """A row as pages show it. ``who`` is what the actor was called then, ``as_what`` its kind.

    ``visitor`` is empty where the reader is not to know it.
    """

    at: datetime
    who: str
    as_what: str
    visitor: str
    label: str
    subject: str
    changes: Sequence[ShownChange]
    reason: str


def shown(activity: Activity, *, zone: tzinfo, to_operator: bool = False) -> ShownActivity:
    """``activity`` in words, times in ``zone``.

    Where an operator sits is no customer's business, so only operators read it.
    """
    is_operators = activity.by_kind == ActorKind.OPERATOR
    kind = ActorKind(activity.by_kind)
    return ShownActivity(
        at=activity.at,
        who=activity.by_name or str(kind.label),
        as_what=str(kind.label) if activity.by_name and kind != ActorKind.PERSON else "",
        visitor=activity.visitor if to_operator or not is_operators else "",
        label=activity.label,
        subject=activity.subject,
        changes=changes_of(activity, zone=zone),
        reason=activity.reason,
    )


def changes_of(activity: Activity, *, zone: tzinfo) -> list[ShownChange]:
    """What was changed, a line each, but for what was and is not there."""
    found = []
    for name, before, after in activity.changes:
        was, is_now = (_value(name, value, zone=zone) for value in (before, after))
        # A value that was emptied differs from one that belongs to something new or deleted.
        is_edit = any(other is not None for _, other, _ in activity.changes) and any(
            other is not None for _, _, other in activity.changes
        )
        if was or is_now:
            gap = NOTHING if is_edit and before is not None and after is None else ""
            found.append(ShownChange(_field(name), was, is_now or gap))
    return found


def _field(name: str) -> str:
    if name.startswith("price "):  # of terms, in one of several currencies, which the value says
        return "Price a cycle"
    words = FIELDS.get(name) or name.replace("_", " ")
    return words[0].upper() + words[1:]


def _value(name: str, value: Any, *, zone: tzinfo) -> str:
    """One stored value in words; "" for none."""
    if value is None or value == "":
        return ""
    if name in LABELS:
        return LABELS[name].get(str(value), str(value))
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if name == "bytes":
            return filesizeformat(value).replace("\xa0", " ")
        case int():
            text = str(value) if name in WITHOUT_GROUPS else grouped(value)
            return f"{text} s" if name.endswith("_seconds") else text
        case {"at": str(at)}:
            return local(datetime.fromisoformat(at), zone)
        case {"minor": int(minor), "currency": str(currency)}:
            return format_money(minor, currency)
        case list():
            return "; ".join(map(str, value))
    return str(value)
