"""The mails about requests for plans: to the operators, then to the account's Superadmins."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from billing.models import PlanRequest, PlanRequestState
from billing.money import format_money
from billing.notices import requests
from billing.zones import local


def send(*, request_id: int, now: datetime) -> bool:
    """Send the mail about a request, where it is owed; return whether it was sent now.

    Raises what the mail server raises; the mail is then sent later.
    """
    return requests.tell(request_id=request_id, deliver=_deliver, now=now)


def _deliver(request: PlanRequest, addresses: Sequence[str]) -> None:
    mail_of(request, addresses).send()


def mail_of(request: PlanRequest, addresses: Sequence[str]) -> EmailMessage:
    """The one mail that says how ``request`` stands, to all ``addresses``."""
    account = request.account
    is_open = request.state == PlanRequestState.OPEN
    page = (
        reverse("admin:billing_planrequest_change", args=[request.pk])
        if is_open
        else reverse("dashboard:plans", args=[account.slug])
    )
    context = {
        "plan": request.plan.name,
        "account": account,
        "asked_by": request.asked_by.email if request.asked_by else "",
        "price": format_money(request.price_minor, request.currency),
        "credits": request.credits_per_cycle,
        "since": local(request.state_since, account.zone),
        "reason": request.reason,
        "url": settings.SITE_URL + page,
    }
    name = f"plan_request_{request.state}"
    subject = render_to_string(f"mail/{name}_subject.txt", context)
    body = render_to_string(f"mail/{name}.txt", context)
    return EmailMessage(subject=" ".join(subject.split()), body=body, to=list(addresses))
