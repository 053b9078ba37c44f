"""When a provider is asked again: for everything that can still change, ever less often.

- An unfinished checkout: after 20 seconds, then whenever its age has grown by an eighth.
- A checkout that ended without payment: the same, for 3 days. Money can come late.
- A payment: for 120 days from the day on which it was paid, a refund of it was made or a dispute of
  it was decided, each time after a quarter of that time, but at least 6 hours and at most 7 days
  later. A refund that succeeded can still fail, a dispute that was won can be lost on appeal.
- While a refund is under way or a dispute is open: at least once a day.

So a payment is asked about some 31 times, each with 3 requests (checkout, refunds, disputes). With
10,000 payments a month that is about 31,000 requests a day, one every 3 seconds. A checkout that
nobody pays adds about 60 requests in its 3 days.
"""

from datetime import datetime, timedelta

from billing.models import Dispute, Payment, Refund

UNFINISHED_AFTER = timedelta(seconds=20)
UNFINISHED_PART = 8
ENDED_WATCHED_FOR = timedelta(days=3)
PAID_WATCHED_FOR = timedelta(days=120)
PAID_PART = 4
PAID_AFTER = timedelta(hours=6)
PAID_AFTER_MAX = timedelta(days=7)
UNDER_WAY_AFTER_MAX = timedelta(days=1)

Status = Payment.Status


def next_check_at(payment: Payment, *, now: datetime) -> datetime | None:
    """When to ask about ``payment`` after ``now``; None where nothing can change any more."""
    if payment.status == Status.PAID:
        return _next_of_paid(payment, now)
    is_watched = payment.checkout_id and now < payment.created_at + ENDED_WATCHED_FOR
    if payment.status not in (Status.OPEN, Status.PROCESSING) and not is_watched:
        return None
    age = max(now - payment.created_at, timedelta())
    return now + max(UNFINISHED_AFTER, age / UNFINISHED_PART)


def payments_to_ask_about(*, now: datetime, limit: int = 500) -> list[int]:
    """The ids of the payments whose provider is to be asked now, the longest waiting first."""
    due = Payment.objects.filter(next_check_at__lte=now).order_by("next_check_at")
    return list(due.values_list("pk", flat=True)[:limit])


def _next_of_paid(payment: Payment, now: datetime) -> datetime | None:
    assert payment.paid_at is not None
    disputes, refunds = list(payment.disputes.all()), list(payment.refunds.all())
    is_under_way = any(each.status in Dispute.UNDECIDED for each in disputes) or any(
        each.status in Refund.UNDER_WAY for each in refunds
    )
    refunded = [each.created_at for each in refunds]
    decided = [each.decided_at for each in disputes if each.decided_at]
    since = max([payment.paid_at, *refunded, *decided])
    age = max(now - since, timedelta())
    if age >= PAID_WATCHED_FOR and not is_under_way:
        return None
    wait = min(max(PAID_AFTER, age / PAID_PART), PAID_AFTER_MAX)
    return now + (min(wait, UNDER_WAY_AFTER_MAX) if is_under_way else wait)
