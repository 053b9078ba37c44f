"""What a balance means for the account: whether there is something to do about it.

Owns the one rule of when credits are low: the thresholds that the account keeps
(`billing.notices.warnings`), each as the balance at or below which it is crossed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum

from django.db.models import Exists, OuterRef, Q

from billing.models import Account, CreditThreshold

# Where an account has not chosen anything: less than this share of what the plan gives in a cycle.
LOW_PERCENT = 20


class CreditState(StrEnum):
    """How an account stands. Everything but OK asks for a top-up."""

    OK = "ok"
    LOW = "low"
    ZERO = "zero"
    NEGATIVE = "negative"


def thresholds_of(account: Account) -> list[CreditThreshold]:
    """When the account wants to be warned; unsaved defaults while nobody has looked at it yet.

    One query; where it finds none and ``credit_watch`` was not read with the account, two.
    """
    return thresholds_of_each([account])[account.pk]


def thresholds_among(account: Account, kept: Sequence[CreditThreshold]) -> list[CreditThreshold]:
    """The `thresholds_of` an account whose rows are ``kept``.

    No query where there are any, or ``credit_watch`` was read with the account.
    """
    if kept or hasattr(account, "credit_watch"):
        return list(kept)
    return default_thresholds(account)


def thresholds_of_each(accounts: Iterable[Account]) -> dict[int, list[CreditThreshold]]:
    """The `thresholds_of` each account, by id: one query where ``credit_watch`` was read too."""
    accounts = list(accounts)
    kept = defaultdict(list)
    for threshold in CreditThreshold.objects.filter(account__in=accounts):
        kept[threshold.account_id].append(threshold)
    return {account.pk: thresholds_among(account, kept[account.pk]) for account in accounts}


def default_thresholds(account: Account) -> list[CreditThreshold]:
    """What an account begins with, unsaved: a share of the plan's credits, and none left."""
    return [
        CreditThreshold(account=account, percent_of_plan=LOW_PERCENT),
        CreditThreshold(account=account, credits=0),
    ]


def level_of(threshold: CreditThreshold, *, credits_per_cycle: int | None) -> int | None:
    """The balance at or below which ``threshold`` is crossed.

    A share of the plan's credits is crossed *below* it, a number of credits *at* it. A share of a
    plan without credits (None or 0) is never crossed: None.
    """
    if threshold.credits is not None:
        return threshold.credits
    if not threshold.percent_of_plan or not credits_per_cycle:
        return None
    return (credits_per_cycle * threshold.percent_of_plan - 1) // 100


def low_level(
    thresholds: Iterable[CreditThreshold], *, credits_per_cycle: int | None
) -> int | None:
    """The balance at or below which credits are low: the highest threshold; None without any."""
    levels = (level_of(threshold, credits_per_cycle=credits_per_cycle) for threshold in thresholds)
    return max((level for level in levels if level is not None), default=None)


def credit_state(*, credits: int, low_at: int | None) -> CreditState:
    """The state of a balance of ``credits``, low at or below ``low_at``; see `low_level`.

    Nothing left is never OK, whatever the account wants to be told.
    """
    if credits < 0:
        return CreditState.NEGATIVE
    if credits == 0:
        return CreditState.ZERO
    if low_at is not None and credits <= low_at:
        return CreditState.LOW
    return CreditState.OK


def in_state(state: CreditState) -> Q:
    """The accounts whose credits are in ``state``, to count and to list by.

    Whether credits are low is what the latest look at the account's thresholds has found
    (`billing.notices.thresholds.note_levels`), which the worker takes within seconds of whatever
    moves credits or changes terms: so it is one comparison for each account, and the rule of what
    is low is not written down again in SQL.
    """
    reached = CreditThreshold.objects.filter(
        account=OuterRef("pk"), level__gte=OuterRef("balance__credits")
    )
    has_some = Q(balance__credits__gt=0)
    return {
        CreditState.NEGATIVE: Q(balance__credits__lt=0),
        CreditState.ZERO: Q(balance__credits=0) | Q(balance__isnull=True),
        CreditState.LOW: has_some & Q(Exists(reached)),
        CreditState.OK: has_some & ~Q(Exists(reached)),
    }[state]
