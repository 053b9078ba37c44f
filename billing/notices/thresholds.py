"""The thresholds of an account: editing them, and what the balance was at each of them.

Owns CreditThreshold and CreditWatch. What a threshold means for a balance is
`billing.notices.levels`, who has to be told is `billing.notices.owed`.
"""

from datetime import datetime

from django.db import transaction

from billing.activity import ActivityKind, gone, new, note
from billing.models import Account, Balance, CreditThreshold, CreditWatch, LedgerEntry
from billing.notices.levels import default_thresholds, level_of, thresholds_of
from billing.notices.owed import Reachable
from billing.plans.tariffs import NoTariffError, agreement_at
from billing.refusals import Refusal

THRESHOLDS_MAX = 10


class ThresholdError(Refusal):
    """A threshold that can't be added."""


def add_threshold(*, account: Account, threshold: CreditThreshold) -> None:
    """Warn ``account`` by a further ``threshold``. Raises ThresholdError."""
    with transaction.atomic():
        kept = _kept_thresholds(account)
        if len(kept) >= THRESHOLDS_MAX:
            raise ThresholdError(
                f"{THRESHOLDS_MAX} are enough. Remove one first.", field="threshold"
            )
        wanted = (threshold.percent_of_plan, threshold.credits)
        if wanted in {(each.percent_of_plan, each.credits) for each in kept}:
            raise ThresholdError("You are warned at this one already.", field="threshold")
        threshold.account = account
        threshold.save()
        note(ActivityKind.WARNING_ADDED, account=account, changes=new(warns_at=str(threshold)))


def remove_threshold(*, account: Account, percent_of_plan: int | None, credits: int | None) -> None:
    """Stop warning ``account`` by a threshold; nothing where it has none such."""
    with transaction.atomic():
        for threshold in _kept_thresholds(account):
            if (threshold.percent_of_plan, threshold.credits) == (percent_of_plan, credits):
                was = str(threshold)
                threshold.delete()
                note(ActivityKind.WARNING_REMOVED, account=account, changes=gone(warns_at=was))


def _kept_thresholds(account: Account) -> list[CreditThreshold]:
    """The thresholds as rows, under the account's lock."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    keep_thresholds(account=account)
    return list(CreditThreshold.objects.filter(account=account))


def keep_thresholds(*, account: Account) -> None:
    """Store the default thresholds as rows where the account has not got any row yet."""
    _, created = CreditWatch.objects.get_or_create(account=account)
    if created and not CreditThreshold.objects.filter(account=account).exists():
        CreditThreshold.objects.bulk_create(default_thresholds(account))


def levels(*, account: Account, at: datetime) -> list[tuple[CreditThreshold, int]]:
    """The account's thresholds with the balance at or below which each is reached.

    Shares of a plan without credits are left out.
    """
    per_cycle = _credits_per_cycle(account, at)
    found = [
        (threshold, level_of(threshold, credits_per_cycle=per_cycle))
        for threshold in thresholds_of(account)
    ]
    return [(threshold, level) for threshold, level in found if level is not None]


def reachable(*, account: Account, at: datetime) -> list[Reachable]:
    """The thresholds as they are ``at`` an instant, as far up as the latest look has seen."""
    return [
        Reachable(str(threshold), level, threshold.above_seq)
        for threshold, level in levels(account=account, at=at)
    ]


def note_levels(*, account: Account, balance: Balance, at: datetime) -> list[Reachable]:
    """Note at each threshold its level ``at`` an instant, and when ``balance`` was last above it.

    Returns those that can be reached. Reads only the entries since the latest look, except for a
    threshold that is new. Where a level has moved since, an entry above the old or the new one is
    above it: nobody knows what came first, and a warning too many is better than one too few.
    """
    per_cycle = _credits_per_cycle(account, at)
    thresholds = CreditThreshold.objects.filter(account=account)
    found = []
    for threshold in thresholds:
        level = level_of(threshold, credits_per_cycle=per_cycle)
        if level is not None:
            seq = _last_above(threshold, level, balance)
            threshold.above_seq = max(threshold.above_seq, seq)
            found.append(Reachable(str(threshold), level, threshold.above_seq))
        threshold.level = level
    CreditThreshold.objects.bulk_update(thresholds, ["level", "above_seq"])
    return found


def _last_above(threshold: CreditThreshold, level: int, balance: Balance) -> int:
    """The last entry that left the account above the threshold; 0 where none since the latest look
    did."""
    if balance.credits > level:
        return balance.last_seq
    if threshold.level is None:
        since, above = 0, level
    else:
        since, above = balance.watched_seq, min(level, threshold.level)
    entries = LedgerEntry.objects.filter(
        account=balance.account_id, seq__gt=since, balance_after__gt=above
    )
    return entries.order_by("-seq").values_list("seq", flat=True).first() or 0


def _credits_per_cycle(account: Account, at: datetime) -> int:
    try:
        return agreement_at(account=account, at=at).terms.credits_per_cycle or 0
    except NoTariffError:
        return 0
