"""Which notices are due, and whether what they say still holds.

Owns everything about a Notice after it is made. Notices that are due together are delivered
together, to one person at a time, and no more often in a day than a person can bear. How they are
delivered is up to the caller.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from billing.backoff import due_again
from billing.ledger.balances import balance_of
from billing.models import Membership, Notice, NoticeKind

# A notice that was made or attempted a moment ago is being delivered already.
BEING_DELIVERED_FOR = timedelta(minutes=1)
# After that long without success a notice is of no use any more.
GIVEN_UP_AFTER = timedelta(days=2)
DAY = timedelta(days=1)

WAITING = Q(sent_at=None, suppressed="")
EMPTY_ACCOUNT = Q(kind=NoticeKind.LOW_CREDITS, membership__account__balance__credits__lte=0)

# Delivers notices of one membership and kind in one message; raises OSError where it can't.
Deliver = Callable[[Sequence[Notice]], None]


def undelivered(*, now: datetime, limit: int = 500) -> list[int]:
    """Notices whose next attempt is due: delivery failed, was put off, or was lost on the way.

    One for each message. That no credits are left comes first.
    """
    waiting = Notice.objects.filter(WAITING, due_at__gt=now - GIVEN_UP_AFTER)
    due = due_again(waiting, now=now, began="due_at", tried="tried_at", after=BEING_DELIVERED_FOR)
    messages: dict[tuple[int, str, int | None], int] = {}
    first = due.alias(is_urgent=EMPTY_ACCOUNT).order_by("-is_urgent", "latest", "pk")
    for pk, *message in first.values_list("pk", "membership_id", "kind", "days_before")[:limit]:
        messages.setdefault(tuple(message), pk)
    return list(messages.values())


def deliver_due(*, notice_id: int, deliver: Deliver, now: datetime) -> bool:
    """Deliver the message that a notice belongs to, once; return whether it was delivered now.

    A notice that does not hold any more is suppressed. At most MAILS_PER_DAY_MAX messages go to
    one person within 24 hours; the others wait until there is room. Only one message at a time
    goes to one person of an account, so that two at once can't exceed that.
    What ``deliver`` raises propagates; the notices then stay undelivered.
    """
    failure: OSError | None = None
    with transaction.atomic():
        notices = _waiting_together(notice_id)
        for notice in notices:
            notice.suppressed = _why_not(notice, now)
        due = [notice for notice in notices if not notice.suppressed]
        room_at = _room_at(due[0], now) if due else now
        if room_at > now:
            for notice in due:
                notice.due_at = room_at
        elif due:
            failure = _attempt(due, deliver, now)
        Notice.objects.bulk_update(notices, ["sent_at", "tried_at", "due_at", "suppressed"])
    if failure is not None:
        raise failure
    return any(notice.sent_at for notice in notices)


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


def _waiting_together(notice_id: int) -> list[Notice]:
    """The notices of one message, locked with its recipient; none while another worker has them."""
    one = (
        Notice.objects.select_for_update(of=("self", "membership"), no_key=True, skip_locked=True)
        .select_related("membership")
        .filter(WAITING, pk=notice_id)
        .first()
    )
    if one is None:
        return []
    together = (
        Notice.objects.select_for_update(of=("self",), no_key=True)
        .select_related("membership__user", "membership__account", "grant")
        .filter(WAITING, membership=one.membership_id, kind=one.kind, days_before=one.days_before)
    )
    return list(together.order_by("grant__expires_at", "pk"))


def _why_not(notice: Notice, now: datetime) -> str:
    """Why ``notice`` is not to be delivered any more; empty where it still holds."""
    membership = notice.membership
    if not membership.may_receive_credit_mails:
        return "the person is no active superadmin any more"
    if not membership.receives_credit_mails:
        return "switched off by the person"
    if notice.kind == NoticeKind.LOW_CREDITS:
        is_low = balance_of(membership.account).credits <= notice.context["level"]
        return "" if is_low else "the balance is above the warning again"
    assert notice.grant
    assert notice.grant.expires_at
    if notice.grant.expires_at <= now:
        return "the credits have expired"
    if not notice.grant.remaining:
        return "the credits are used up"
    if notice.context["expires_at"] != notice.grant.expires_at.isoformat():
        return "the credits expire at another time now"
    later = Notice.objects.filter(
        membership=membership,
        grant=notice.grant,
        days_before__lt=notice.days_before,
        context__expires_at=notice.context["expires_at"],
    )
    return "a later warning has taken its place" if later.exists() else ""


def _room_at(notice: Notice, now: datetime) -> datetime:
    """When the day's limit has room for the message of ``notice``; ``now`` if it has.

    The last message of a day is kept for what can't wait: that no credits are left.
    """
    limit = settings.MAILS_PER_DAY_MAX
    if not _is_urgent(notice):
        limit = max(1, limit - 1)
    sent = _sent_within_a_day(notice.membership, now)
    return now if len(sent) < limit else sent[-limit] + DAY


def _is_urgent(notice: Notice) -> bool:
    is_low = notice.kind == NoticeKind.LOW_CREDITS
    return is_low and balance_of(notice.membership.account).credits <= 0


def _sent_within_a_day(membership: Membership, now: datetime) -> list[datetime]:
    """When each message of the last 24 hours went to the person of ``membership``, oldest first.

    From any account; the notices of one message count once.
    """
    sent = Notice.objects.filter(membership__user=membership.user_id, sent_at__gt=now - DAY)
    messages = sent.order_by("sent_at").values_list("sent_at", "membership", "kind", "days_before")
    return [sent_at for sent_at, *_ in messages.distinct() if sent_at]
