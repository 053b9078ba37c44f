"""Asking for a plan on its page, and what people are told by mail: each once."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client, override_settings

from billing.models import Account, Plan, PlanRequest, PlanRequestState, User
from billing.notices import requests as notices
from billing.plans import requests
from dashboard.mail import plan_requests
from tests.dashboard.conftest import NOW
from tests.dashboard.top_up.test_top_up import words

pytestmark = pytest.mark.usefixtures("now")

PLANS = "/a/acme/billing/plans/"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def base(professional: Plan) -> Plan:
    """The plan that the account can ask for: it is on Professional."""
    return Plan.objects.get(name="Base")


def ask(client: Client, plan: Plan) -> Any:
    seen = client.get(PLANS, {"plan": plan.pk}).context["change"].seen
    return client.post(PLANS, {"do": "ask", "plan": plan.pk, "seen": seen}, follow=True)


def sent() -> list[tuple[str, list[str]]]:
    """What is mailed now, and to whom."""
    mail.outbox.clear()
    for request_id in notices.untold(now=NOW):
        plan_requests.send(request_id=request_id, now=NOW)
    return [(str(message.subject), message.to) for message in mail.outbox]


def test_the_page_says_what_would_happen_before_one_asks(payer: Client, base: Plan) -> None:
    assert f'href="?plan={base.pk}#ask"' in payer.get(PLANS).content.decode()
    said = words(payer.get(PLANS, {"plan": base.pk}))
    for sentence in (
        "Base costs INR 1,999 a month, with 100 credits a month.",
        "It begins the moment the request is approved",
        "100 credits come with it at once.",
        "1,500 credits that are left stay until their own end, beside the new. "
        "The first of them end on 4 Dec 2026, 15:00 Asia/Kolkata.",
    ):
        assert sentence in said
    assert not PlanRequest.objects.exists()


def test_one_asks_and_withdraws(payer: Client, base: Plan, owner: User) -> None:
    said = words(ask(payer, base))
    assert "You asked for Base" in said
    assert "INR 1,999 a month with 100 credits, asked 23 Nov 2026, 18:00 by owner@" in said
    assert "?plan=" not in payer.get(PLANS).content.decode()  # one at a time
    request = PlanRequest.objects.get()
    assert request.asked_by == owner
    form = {"do": "withdraw", "request": request.pk}
    assert "Your request for Base is withdrawn." in words(payer.post(PLANS, form, follow=True))
    again = payer.post(PLANS, form)
    assert again.status_code == 409
    assert "This request was withdrawn on 23 Nov 2026, 18:00" in words(again)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"do": "ask", "plan": "0"}, "There is no such plan."),
        ({"do": "ask", "plan": "9" * 40}, "There is no such plan."),
        ({}, "There is no such plan."),
        ({"do": "withdraw", "request": "x"}, "There is no such request."),
    ],
    ids=["unknown", "a long number", "nothing", "no request"],
)
def test_what_can_not_be_is_refused(
    payer: Client, base: Plan, form: dict[str, str], said: str
) -> None:
    response = payer.post(PLANS, form)
    assert response.status_code == 409
    assert said in words(response)


def test_a_price_that_changed_meanwhile_is_shown_again(payer: Client, base: Plan) -> None:
    response = payer.post(PLANS, {"do": "ask", "plan": base.pk, "seen": "INR 1 1 1 1"})
    assert response.status_code == 409
    assert "have changed since this page was opened" in words(response)
    assert "Base costs INR 1,999 a month" in words(response)


def test_requests_of_others_are_out_of_reach(
    payer: Client, base: Plan, other_account: Account, outsider: User
) -> None:
    seen = requests.change_to(account=other_account, plan=base, now=NOW).seen
    theirs = requests.ask(account=other_account, plan=base, by=outsider, seen=seen, now=NOW)
    assert payer.post(PLANS, {"do": "withdraw", "request": theirs.pk}).status_code == 409
    theirs.refresh_from_db()
    assert theirs.state == PlanRequestState.OPEN


def test_only_who_pays_asks(client: Client, admin: User, base: Plan) -> None:
    client.force_login(admin)
    assert client.post(PLANS, {"do": "ask", "plan": base.pk}).status_code == 403


def test_operators_are_told_of_a_request_and_superadmins_of_its_end(
    payer: Client, base: Plan, owner: User, admin: User, operator: User
) -> None:
    ask(payer, base)
    with override_settings(SITE_URL="https://credits.example.com"):
        assert sent() == [("Acme Voice asks for Base", [operator.email])]
    request = PlanRequest.objects.get()
    assert f"https://credits.example.com/admin/billing/planrequest/{request.pk}/" in str(
        mail.outbox[0].body
    )
    assert sent() == []
    requests.decline(request=request, by=operator, reason="Not <yet>", now=NOW)
    assert sent() == [("Your request for Base was declined", [owner.email])]
    assert "Not <yet>" in str(mail.outbox[0].body)
    assert sent() == []
    assert "was declined 23 Nov 2026, 18:00 : Not &lt;yet&gt;" in words(payer.get(PLANS)).replace(
        "<", "&lt;"
    ).replace(">", "&gt;")
    ask(payer, base)
    requests.approve(request=PlanRequest.objects.latest("pk"), by=operator, now=NOW)
    assert sent() == [("Acme Voice is on Base now", [owner.email])]
    assert sent() == []


def test_of_a_withdrawn_request_nobody_is_told(payer: Client, base: Plan, operator: User) -> None:
    ask(payer, base)
    requests.withdraw(request=PlanRequest.objects.get(), now=NOW)
    assert sent() == []


def test_a_mail_that_does_not_go_out_is_sent_later(
    payer: Client, base: Plan, operator: User
) -> None:
    ask(payer, base)
    request = PlanRequest.objects.get()

    def away(*_: object) -> None:
        raise OSError("no mail server")

    with pytest.raises(OSError, match="no mail server"):
        notices.tell(request_id=request.pk, deliver=away, now=NOW)
    assert notices.untold(now=NOW) == []
    assert notices.untold(now=NOW + 2 * MINUTE) == [request.pk]
    assert plan_requests.send(request_id=request.pk, now=NOW + 2 * MINUTE)
    assert [message.to for message in mail.outbox] == [[operator.email]]
