"""The first steps of an installation, as an operator finds and takes them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.accounts.team import invite_as_operator
from billing.models import Account, Activity, ActivityKind, Plan, Role, User
from calls.inbox import sources
from dashboard.operations.first_steps import State, Step
from tests.clock import StopClock
from tests.dashboard.imports.conftest import own_csv, uploaded
from tests.dashboard.mail import mail_server
from tests.dashboard.operations.accounts.test_accounts import new_account
from tests.dashboard.operations.conftest import call_of
from tests.factories import MembershipFactory

FRONT, STEPS = "/admin/", "/admin/first-steps/"
QUERIES_MAX = 13


@pytest.fixture
def smtp(settings: Any) -> Any:
    """A mail server, and the settings that lead to it."""
    with mail_server.running() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def steps(browser: Client, page: str = FRONT) -> dict[str, Step]:
    return {step.name: step for step in browser.get(page).context["steps"]}


def states(browser: Client) -> list[State]:
    return [step.state for step in steps(browser).values()]


def said(browser: Client, name: str) -> str:
    return " ".join(steps(browser)[name].sentences)


# ── Shown, put away ───────────────────────────────────────────────────────────────────────────
def test_an_empty_installation_shows_what_comes_next(staff: Client, smtp: Any) -> None:
    assert states(staff) == [State.DONE, State.NEXT, *[State.TO_DO] * 3]
    assert "No account has calls yet." in staff.get(FRONT).text


def test_they_are_gone_with_the_first_call_and_stay_on_their_own_page(
    staff: Client, customer: Account
) -> None:
    assert steps(staff)
    call_of(customer, "call-1")
    assert steps(staff) == {}
    assert steps(staff, STEPS)["calls"].is_done
    assert "the first steps of this installation are behind it" in staff.get(STEPS).text


def test_an_operator_puts_them_away(staff: Client, operator: User) -> None:
    answer = staff.post(STEPS, {"form": "put-away", "front": "1"}, follow=True)
    assert "They stay on a page of their own" in answer.text
    assert steps(staff) == {}
    assert steps(staff, STEPS)
    noted = Activity.objects.get(kind=ActivityKind.FIRST_STEPS_PUT_AWAY)
    assert (noted.account, noted.by_user) == (None, operator)


def test_a_form_that_says_nothing_does_nothing(staff: Client) -> None:
    answer = staff.post(STEPS, {}, follow=True)
    assert "this form was not complete" in answer.text
    assert not Activity.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_they_are_for_operators_alone(client: Client, owner: User, method: str) -> None:
    assert getattr(client, method)(STEPS).status_code == 302
    client.force_login(owner)
    assert getattr(client, method)(STEPS, follow=True).status_code == 403


# ── Each step ─────────────────────────────────────────────────────────────────────────────────
def test_who_has_no_second_step_is_told_until_when(staff: Client, operator: User) -> None:
    assert "Without it these pages are closed from" in said(staff, "sign-in")
    assert steps(staff)["sign-in"].links[0].url == "/accounts/2fa/totp/activate/"


def test_a_test_mail_goes_to_the_operator_and_is_remembered(
    staff: Client, operator: User, smtp: Any
) -> None:
    answer = staff.post(STEPS, {"form": "mail", "front": "1"}, follow=True)
    assert answer.redirect_chain == [(FRONT, 302)]
    assert f"The mail server took a test mail to {operator.email}." in answer.text
    (mail,) = smtp.received
    assert mail["To"] == operator.email
    assert "http://localhost:8000" in mail.get_content()
    assert steps(staff)["mail"].is_done
    assert f"took a test mail to {operator.email} on" in said(staff, "mail")


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        ("greeting", "answered: “421 Too busy”. Try again later"),
        ("recipient", "does not take mails for your address: “451 Mailbox busy”."),
        ("data", "answered: “452 Disk full”."),
    ],
)
def test_what_a_mail_server_refuses_is_said(
    staff: Client, smtp: Any, failing: str, words: str
) -> None:
    smtp.failing = failing
    answer = staff.post(STEPS, {"form": "mail"}, follow=True)
    assert f"The test mail did not go out. 127.0.0.1:{smtp.port} {words}" in answer.text
    assert steps(staff)["mail"].state == State.NEXT


def test_where_nothing_answers_host_and_port_are_to_be_checked(
    staff: Client, settings: Any
) -> None:
    with mail_server.running() as gone:
        port = gone.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    answer = staff.post(STEPS, {"form": "mail"}, follow=True).text
    assert (
        f"Nothing answers at 127.0.0.1:{port}. Check the host and the port in EMAIL_URL" in answer
    )


def test_without_a_mail_server_it_is_said_and_holds_nobody_up(staff: Client) -> None:
    answer = staff.post(STEPS, {"form": "mail"}, follow=True).text
    assert "no mail leaves this server" in answer
    assert states(staff)[:3] == [State.DONE, State.LATER, State.NEXT]


def test_an_address_that_others_can_not_reach_is_said(staff: Client, settings: Any) -> None:
    assert "which nobody outside of this network reaches" in said(staff, "mail")
    settings.SITE_URL = "https://credits.example.com"
    assert "nobody outside" not in said(staff, "mail")


def test_without_a_plan_on_offer_there_is_one_to_be_added_first(staff: Client) -> None:
    Plan.objects.update(is_active=False)
    assert said(staff, "open") == "First there must be a plan on offer."
    assert steps(staff)["open"].links[0].url == "/admin/billing/plan/add/"


def test_opening_the_first_account_leads_back_to_the_steps(
    staff: Client, base: Plan, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = staff.post("/admin/billing/account/add/", new_account(base, "new@example.com"))
    assert answer["Location"] == FRONT
    assert "New Company is on Base from" in said(staff, "open")
    assert "and has 100 credits." in said(staff, "open")
    assert states(staff)[2:] == [State.DONE, State.WAITING, State.NEXT]
    assert "new@example.com has a link that works until" in said(staff, "invite")
    again = steps(staff)["invite"].links[0].url
    assert "new@example.com" in staff.get(again).context["form"]["email"].value()


def test_a_link_that_has_expired_is_to_be_sent_again(
    staff: Client, operator: User, account: Account, stop_clock: StopClock
) -> None:
    invite_as_operator(
        account=account, email="new@example.com", role=Role.SUPERADMIN, now=timezone.now()
    )
    assert steps(staff)["invite"].state == State.WAITING
    later = timezone.now() + timedelta(days=7, minutes=1)
    User.objects.filter(pk=operator.pk).update(second_step_due_at=later + timedelta(days=1))
    stop_clock(later)
    staff.force_login(operator)
    assert "The link of new@example.com worked until" in said(staff, "invite")
    assert not steps(staff)["invite"].is_done
    assert steps(staff)["invite"].state != State.WAITING


def test_a_superadmin_who_can_sign_in_is_invited(
    staff: Client, customer: Account, owner: User
) -> None:
    assert f"{owner.email} can sign in" in said(staff, "invite")
    assert steps(staff)["invite"].is_done


def test_an_account_without_a_superadmin_or_a_plan_says_so(staff: Client, account: Account) -> None:
    assert "has nobody who may top up" in said(staff, "invite")
    assert "has no plan" in said(staff, "open")
    MembershipFactory(account=account, role=Role.ADMIN)
    assert not steps(staff)["invite"].is_done


def test_what_was_begun_is_gone_on_with(staff: Client, customer: Account) -> None:
    file_import = uploaded(customer, own_csv("c-1"))
    source = sources.connect(
        account=customer, kind="vapi", name="Our Vapi", by=None, now=timezone.now()
    )
    assert said(staff, "calls") == "calls.csv: ready to be tried. Our Vapi: waiting."
    first = steps(staff)["calls"].links[0]
    assert first.words == "Go on with calls.csv"
    assert str(file_import.public_id) in first.url
    assert source.pk


def test_each_link_of_the_steps_leads_to_a_page(staff: Client, customer: Account) -> None:
    uploaded(customer, own_csv("c-1"))
    for step in steps(staff).values():
        for link in step.links:
            # allauth asks for the password again before a second step is set up
            assert staff.get(link.url).status_code in (200, 302), link


def test_the_steps_take_a_fixed_number_of_queries(staff: Client, customer: Account) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            staff.get(FRONT)
        return len(captured)

    for number in range(3):
        uploaded(customer, own_csv(f"c-{number}"), name=f"{number}.csv")
    shown = queries()
    staff.post(STEPS, {"form": "put-away"})
    assert 0 < shown - queries() <= QUERIES_MAX
