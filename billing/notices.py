"""Sending notices by e-mail: each once, in text and HTML, and no more a day than is bearable."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Sum
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from billing.backoff import due_again
from billing.models import Account, Balance, DailyUsage, Notice, NoticeKind
from billing.tariffs import NoTariffError, agreement_at

# A notice that was made or tried a moment ago is being sent already.
BEING_SENT_FOR = timedelta(minutes=1)
# After that long without success it says nothing of use any more.
GIVEN_UP_AFTER = timedelta(days=2)
DAYS_LOOKED_BACK = 7


def unsent(*, now: datetime, limit: int = 500) -> list[int]:
    """Notices whose sending failed or was lost on the way: those due for a try."""
    waiting = Notice.objects.filter(
        sent_at=None, suppressed="", created_at__gt=now - GIVEN_UP_AFTER
    )
    due = due_again(waiting, now=now, began="created_at", tried="tried_at", after=BEING_SENT_FOR)
    return list(due.values_list("pk", flat=True)[:limit])


def send(*, notice_id: int, now: datetime) -> bool:
    """Send one notice, unless it was sent, is being sent, or must not be; return whether it was.

    At most MAILS_PER_DAY_MAX go to one person within 24 hours; what exceeds it is suppressed.
    One mail at a time goes to one person of an account, so that two at once can't exceed that.
    Raises what the mail server raises; the notice then stays unsent.
    """
    failure: OSError | None = None
    with transaction.atomic():
        notice = (
            Notice.objects.select_for_update(of=("self", "membership"), skip_locked=True)
            .select_related("membership__user", "membership__account")
            .filter(pk=notice_id, sent_at__isnull=True, suppressed="")
            .first()
        )
        if notice is None:
            return False
        sent_today = Notice.objects.filter(
            membership__user=notice.membership.user, sent_at__gt=now - timedelta(days=1)
        ).count()
        if not notice.membership.wants_credit_mails:
            notice.suppressed = "switched off by the person"
        elif sent_today >= settings.MAILS_PER_DAY_MAX:
            notice.suppressed = f"more than {settings.MAILS_PER_DAY_MAX} mails within a day"
        else:
            try:
                _message(notice, now).send()
                notice.sent_at = now
            except OSError as error:  # smtplib's errors are among them
                failure, notice.tried_at = error, now
        notice.save(update_fields=["sent_at", "tried_at", "suppressed"])
    if failure is not None:
        raise failure
    return notice.sent_at is not None


def _message(notice: Notice, now: datetime) -> EmailMultiAlternatives:
    account = notice.membership.account
    context = _context(notice, account, now)
    kind = NoticeKind(notice.kind).value
    subject = render_to_string(f"mail/{kind}_subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string(f"mail/{kind}.txt", context),
        to=[notice.membership.user.email],
        headers={"List-Unsubscribe": f"<{context['preferences_url']}>"},
    )
    message.attach_alternative(render_to_string(f"mail/{kind}.html", context), "text/html")
    return message


def _context(notice: Notice, account: Account, now: datetime) -> dict[str, Any]:
    """The account's numbers as they are now, beside those that were noticed."""
    balance = Balance.objects.filter(account=account).first()
    credits = balance.credits if balance else 0
    first_day = now.astimezone(account.zone).date() - timedelta(days=DAYS_LOOKED_BACK - 1)
    used = DailyUsage.objects.filter(account=account, day__gte=first_day).aggregate(
        used=Sum("credits_used")
    )["used"]
    try:
        agreement = agreement_at(account=account, at=now)
        plan, per_cycle = agreement.plan.name, agreement.terms.credits_per_cycle
    except NoTariffError:
        plan, per_cycle = "", None
    expires_at = parse_datetime(notice.context.get("expires_at", ""))
    return {
        **notice.context,
        "account": account,
        "balance": credits,
        "plan": plan,
        "credits_per_cycle": per_cycle,
        "used": used or 0,
        "days": DAYS_LOOKED_BACK,
        "expires_at": expires_at.astimezone(account.zone) if expires_at else None,
        "person": notice.membership.user,
        "top_up_url": settings.SITE_URL + reverse("dashboard:top_up", args=[account.slug]),
        "usage_url": settings.SITE_URL + reverse("dashboard:usage", args=[account.slug]),
        "preferences_url": settings.SITE_URL
        + reverse("dashboard:notifications", args=[account.slug]),
    }
