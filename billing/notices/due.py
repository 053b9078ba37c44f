"""Which notices are due, and whether what they say still holds.

Owns everything about a Notice after it is made. Notices that are due together are delivered
together, to one person at a time, and no more often in a day than a person can bear. They are
attempted until they are delivered or no longer hold: a mail server that is away delays them. How
they are delivered is up to the caller.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from billing.backoff import LATE_AFTER, due_again
from billing.ledger.balances import balance_of
from billing.models import Membership, Notice, NoticeKind
from billing.notices.low_credits import LowCredits, low_credits_of
from billing.notices.making import WAITING
from billing.notices.quiet import importing, is_importing

# A notice that was made or attempted a moment ago is being delivered already.
BEING_DELIVERED_FOR = timedelta(minutes=1)
# However long the mail server was away, its return is noticed as soon as that.
ATTEMPTS_APART_AT_MOST = timedelta(hours=1)
DAY = timedelta(days=1)

EMPTY_ACCOUNT = Q(kind=NoticeKind.LOW_CREDITS, account__balance__credits__lte=0)

# Delivers notices to one person of one kind in one message; raises OSError where it can't.
Deliver = Callable[[Sequence[Notice]], None]


def undelivered(*, now: datetime, limit: int = 500) -> list[int]:
    """Notices whose next attempt is due: delivery failed, was put off, or was lost on the way.

    One for each message. That no credits are left comes first.
    """
    due = due_again(
        _due(now=now),
        now=now,
        began="due_at",
        tried="tried_at",
        after=BEING_DELIVERED_FOR,
        at_most=ATTEMPTS_APART_AT_MOST,
    )
    messages: dict[tuple[int, int | None, str, int | None], int] = {}
    first = due.alias(is_urgent=EMPTY_ACCOUNT).order_by("-is_urgent", "latest", "pk")
    fields = ("pk", "account_id", "user_id", "kind", "days_before")
    for pk, *message in first.values_list(*fields)[:limit]:
        messages.setdefault(tuple(message), pk)
    return list(messages.values())


def late(*, now: datetime) -> QuerySet[Notice]:
    """The notices that should have gone by ``now`` and do not go."""
    return _due(now=now).filter(due_at__lt=now - LATE_AFTER)


def _due(*, now: datetime) -> QuerySet[Notice]:
    waiting = Notice.objects.filter(WAITING, due_at__lte=now)
    return waiting.exclude(account__in=importing(now=now))


def deliver_due(*, notice_id: int, deliver: Deliver, now: datetime) -> bool:
    """Deliver the message that a notice belongs to, once; return whether it was delivered now.

    A notice that does not hold any more is suppressed. At most MAILS_PER_DAY_MAX messages go to
    one person within 24 hours; the others wait until there is room, or until an import is done.
    Only one message at a time goes to one person of an account, so that two at once can't exceed
    that. What ``deliver`` raises propagates; the notices then stay undelivered.
    """
    failure: OSError | None = None
    with transaction.atomic():
        notices, membership = _waiting_together(notice_id)
        if not notices or is_importing(account_id=notices[0].account_id, now=now):
            return False
        due = _holding(notices, membership, now)
        room_at = _room_at(due[0], now) if due else now
        if room_at > now:
            for notice in due:
                notice.due_at = room_at
        elif due:
            failure = _attempt(due, deliver, now)
        Notice.objects.bulk_update(notices, CHANGED)
    if failure is not None:
        raise failure
    return any(notice.sent_at for notice in notices)


CHANGED = ["sent_at", "tried_at", "due_at", "suppressed", "address", "context", "seq", "balance"]


def _attempt(notices: Sequence[Notice], deliver: Deliver, now: datetime) -> OSError | None:
    """Deliver the one message of ``notices``; return what that raised."""
    try:
        deliver(notices)
    except OSError as error:  # smtplib's errors are among them
        for notice in notices:
            notice.tried_at = now
        return error
    for notice in notices:
        notice.sent_at = now
    return None


def _waiting_together(notice_id: int) -> tuple[list[Notice], Membership | None]:
    """The notices of one message, and the place of its recipient in the account, both locked.

    No notices while another worker has them; no membership where the person has left.
    """
    waiting = Notice.objects.filter(WAITING).select_for_update(of=("self",), no_key=True)
    one = Notice.objects.filter(WAITING, pk=notice_id).first()
    if one is None:
        return [], None
    places = Membership.objects.filter(account=one.account_id, user=one.user_id)
    membership = (
        places.select_for_update(of=("self",), no_key=True, skip_locked=True)
        .select_related("user", "account")
        .first()
    )
    if membership is None and places.exists():
        return [], None
    together = waiting.select_related("account", "user", "grant").filter(
        account=one.account_id, user=one.user_id, kind=one.kind, days_before=one.days_before
    )
    return list(together.order_by("grant__expires_at", "pk")), membership


def _holding(
    notices: Sequence[Notice], membership: Membership | None, now: datetime
) -> list[Notice]:
    """Those of the ``notices`` of one message that still hold; suppress the others."""
    nobody = _why_nobody(membership)
    if nobody or membership is None:
        for notice in notices:
            notice.suppressed = nobody
        return []
    if notices[0].kind == NoticeKind.LOW_CREDITS:
        low = low_credits_of(account=membership.account, person=membership.user, now=now)
        for notice in notices:
            _say(notice, low)
    else:
        for notice in notices:
            notice.suppressed = _why_not_expiring(notice, now)
    due = [notice for notice in notices if not notice.suppressed]
    for notice in due:
        notice.address = membership.user.email
    return due


def _why_nobody(membership: Membership | None) -> str:
    """Why nothing goes to the person any more; empty where it does."""
    if membership is None:
        return "the person has left the account"
    if not membership.may_receive_credit_mails:
        return "the person is no active superadmin any more"
    if not membership.receives_credit_mails:
        return "switched off by the person"
    return ""


def _say(notice: Notice, low: LowCredits) -> None:
    """Let ``notice`` say what there is to be told now, whatever it was when it was made."""
    notice.suppressed = low.why_not
    notice.seq, notice.balance = low.seq, low.balance
    if low.threshold is not None:
        notice.context = {"threshold": low.threshold.words, "level": low.threshold.level}


def _why_not_expiring(notice: Notice, now: datetime) -> str:
    """Why ``notice`` of credits that expire is not to be delivered; empty where it still holds."""
    assert notice.grant
    assert notice.grant.expires_at
    if notice.grant.expires_at <= now:
        return "the credits have expired"
    if not notice.grant.remaining:
        return "the credits are used up"
    later = Notice.objects.filter(
        account=notice.account_id,
        user=notice.user_id,
        grant=notice.grant,
        days_before__lt=notice.days_before,
    )
    return "a later warning has taken its place" if later.exists() else ""


def _room_at(notice: Notice, now: datetime) -> datetime:
    """When the day's limit has room for the message of ``notice``; ``now`` if it has.

    The last message of a day is kept for what can't wait: that no credits are left.
    """
    limit = settings.MAILS_PER_DAY_MAX
    if not _is_urgent(notice):
        limit = max(1, limit - 1)
    sent = _sent_within_a_day(notice, now)
    return now if len(sent) < limit else sent[-limit] + DAY


def _is_urgent(notice: Notice) -> bool:
    return notice.kind == NoticeKind.LOW_CREDITS and balance_of(notice.account).credits <= 0


def _sent_within_a_day(notice: Notice, now: datetime) -> list[datetime]:
    """When each message of the last 24 hours went to the person of ``notice``, oldest first.

    From any account; the notices of one message count once.
    """
    sent = Notice.objects.filter(user=notice.user_id, sent_at__gt=now - DAY)
    messages = sent.order_by("sent_at").values_list("sent_at", "account", "kind", "days_before")
    return [sent_at for sent_at, *_ in messages.distinct() if sent_at]
