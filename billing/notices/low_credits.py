"""What each person was told about low credits, and whether that is still all there is to tell."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.ledger.balances import balance_of
from billing.models import Account, Notice, NoticeKind, User
from billing.notices.owed import Reachable, Told, owed
from billing.notices.thresholds import reachable


@dataclass(frozen=True, slots=True)
class LowCredits:
    """How the account stands when a person is to be warned.

    ``threshold`` is the one to warn of; None where there is no reason any more, ``why_not``.
    """

    seq: int
    balance: int
    threshold: Reachable | None
    why_not: str


def low_credits_of(*, account: Account, person: User, now: datetime) -> LowCredits:
    """What ``person`` has to be told about the credits of ``account``, as of ``now``."""
    balance = balance_of(account)
    if account.closed_at is not None:
        return LowCredits(balance.last_seq, balance.credits, None, "the account is closed")
    thresholds = [
        each for each in reachable(account=account, at=now) if balance.credits <= each.level
    ]
    told = told_to(account=account, people=[person], thresholds=thresholds)
    threshold = owed(thresholds=thresholds, told=told[person.pk], balance=balance.credits)
    why_not = ""
    if not thresholds:
        why_not = "the balance is above the warning again"
    elif threshold is None:
        why_not = "the person has been told already"
    return LowCredits(balance.last_seq, balance.credits, threshold, why_not)


def told_to(
    *, account: Account, people: Iterable[User], thresholds: Sequence[Reachable]
) -> Mapping[int, list[Told]]:
    """The mails that each of ``people`` got since the balance was above one of ``thresholds``.

    By the person's id. One query; none without thresholds.
    """
    told: dict[int, list[Told]] = defaultdict(list)
    since = min((threshold.above_seq for threshold in thresholds), default=None)
    if since is None:
        return told
    mails = Notice.objects.filter(
        account=account,
        user__in=list(people),
        kind=NoticeKind.LOW_CREDITS,
        sent_at__isnull=False,
        seq__gte=since,
    )
    for user_id, seq, balance in mails.values_list("user_id", "seq", "balance").distinct():
        assert seq is not None
        assert balance is not None
        told[user_id].append(Told(seq, balance))
    return told
