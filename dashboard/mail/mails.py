"""What a mail about credits says: text and HTML, with the account's numbers as they are now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Sum
from django.template.loader import render_to_string
from django.urls import reverse

from billing.ledger.balances import balance_of
from billing.models import Account, DailyUsage, Notice, NoticeKind
from billing.plans.tariffs import NoTariffError, agreement_at

DAYS_LOOKED_BACK = 7


def mail_of(*, notices: Sequence[Notice], now: datetime) -> EmailMultiAlternatives:
    """The one mail that says what ``notices`` are about, all to one person and of one kind.

    Of credits that expire, the notices come in the order in which they do.
    """
    kind = NoticeKind(notices[0].kind)
    context = _numbers(notices[0].account, now)
    context |= _expiring(notices) if kind is NoticeKind.EXPIRING else _low(notices)
    subject = render_to_string(f"mail/{kind.value}_subject.txt", context)
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string(f"mail/{kind.value}.txt", context),
        to=[notices[0].address],
        headers={"List-Unsubscribe": f"<{context['preferences_url']}>"},
    )
    message.attach_alternative(render_to_string(f"mail/{kind.value}.html", context), "text/html")
    return message


def _low(notices: Sequence[Notice]) -> dict[str, Any]:
    """The warning that was reached, which all of ``notices`` say, and the balance it is about."""
    return {**notices[0].context, "balance": notices[0].balance}


def _expiring(notices: Sequence[Notice]) -> dict[str, Any]:
    """What expires when, on the account's own clock."""
    zone = notices[0].account.zone
    expiring = [
        {
            "credits": grant.remaining,
            "source": grant.get_source_display(),
            "expires_at": grant.expires_at.astimezone(zone),
        }
        for grant in (notice.grant for notice in notices)
        if grant and grant.expires_at
    ]
    return {
        "expiring": expiring,
        "credits": sum(each["credits"] for each in expiring),
        "first": expiring[0]["expires_at"],
        "last": expiring[-1]["expires_at"],
    }


def _numbers(account: Account, now: datetime) -> dict[str, Any]:
    first_day = now.astimezone(account.zone).date() - timedelta(days=DAYS_LOOKED_BACK - 1)
    used = DailyUsage.objects.filter(account=account, day__gte=first_day).aggregate(
        used=Sum("credits_used")
    )["used"]
    try:
        agreement = agreement_at(account=account, at=now)
        plan, per_cycle = agreement.plan.name, agreement.terms.credits_per_cycle
    except NoTariffError:
        plan, per_cycle = "", None
    return {
        "account": account,
        "balance": balance_of(account).credits,
        "plan": plan,
        "credits_per_cycle": per_cycle,
        "used": used or 0,
        "days": DAYS_LOOKED_BACK,
        "top_up_url": settings.SITE_URL + reverse("dashboard:top_up", args=[account.slug]),
        "usage_url": settings.SITE_URL + reverse("dashboard:usage", args=[account.slug]),
        "preferences_url": settings.SITE_URL
        + reverse("dashboard:notifications", args=[account.slug]),
    }
