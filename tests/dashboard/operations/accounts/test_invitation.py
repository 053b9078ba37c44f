"""An operator brings people into an account, each with a link to choose a password."""

from typing import Any

import pytest
from django.test import Client

from billing.accounts.people import add_person
from billing.models import Account, Membership, Plan, Role, User
from tests.dashboard.mail import mail_server
from tests.dashboard.operations.accounts.test_accounts import new_account
from tests.dashboard.operations.test_people import SECRET, choose_password, link_in
from tests.factories import OperatorFactory

# The mail goes, and the operator is told of it, once what it is about is stored.
pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/billing/account/"


def invite(staff: Client, account: Account, **form: str) -> str:
    """What the operator is told."""
    sent = {"email": "new@example.com", "role": "superadmin", **form}
    return staff.post(f"{LIST}{account.pk}/invite/", sent, follow=True).text


@pytest.fixture
def smtp(settings: Any) -> Any:
    """A mail server, and the settings that lead to it."""
    with mail_server.running() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        yield running


def test_somebody_new_chooses_a_password_by_the_link(
    staff: Client, account: Account, mailoutbox: Any
) -> None:
    invite(staff, account, email="New@Example.com")
    member = Membership.objects.get()
    assert (member.user.email, member.role) == ("new@example.com", Role.SUPERADMIN)
    (mail,) = mailoutbox
    assert "invited you to Acme Voice" in mail.body
    choose_password(link_in(mail), SECRET)
    member.user.refresh_from_db()
    assert member.user.check_password(SECRET)


def test_the_mail_is_on_its_way_and_the_link_for_nobody_else(
    staff: Client, account: Account, smtp: Any
) -> None:
    text = invite(staff, account)
    assert "A mail is on its way to new@example.com." in text
    assert "/reset/key/" not in text
    assert len(smtp.received) == 1


@pytest.mark.parametrize("failing", ["greeting", "data"])
def test_where_no_mail_goes_out_the_operator_is_given_the_link(
    staff: Client, account: Account, smtp: Any, failing: str
) -> None:
    smtp.failing = failing
    text = invite(staff, account)
    assert "No mail went out. Give new@example.com this link yourself" in text
    assert "/accounts/password/reset/key/" in text


def test_who_has_not_chosen_a_password_is_invited_again(
    staff: Client, account: Account, mailoutbox: Any
) -> None:
    for _ in range(2):
        invite(staff, account)
    assert len(mailoutbox) == 2
    assert Membership.objects.count() == 1
    text = invite(staff, account, role="member")
    assert "new@example.com is in the team already." in text


def test_who_signs_in_here_already_is_told_and_no_link_is_shown(
    staff: Client, account: Account, outsider: User
) -> None:
    text = invite(staff, account, email=outsider.email)
    assert f"Tell {outsider.email} that they can sign in with their password." in text
    again = invite(staff, account, email=outsider.email)
    assert "They have chosen a password already, and can sign in." in again


def test_the_link_of_another_operator_is_shown_to_superusers_alone(
    client: Client, staff: Client, account: Account
) -> None:
    add_person(email="boss@example.com", is_operator=True)
    client.force_login(OperatorFactory(name="clerk", is_superuser=False))
    text = invite(client, account, email="boss@example.com")
    assert "Invite them again once mails go out." in text
    assert "/reset/key/" not in text
    client.force_login(OperatorFactory(name="chief"))
    assert "/reset/key/" in invite(client, account, email="boss@example.com")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"email": "nobody"}, "Write an address like asha@example.com."),
        ({"email": ""}, "Write the address of the person to invite."),
        ({"role": "king"}, "Nobody can give a role"),
    ],
)
def test_a_wrong_invitation_is_refused_beside_its_field(
    staff: Client, account: Account, form: dict[str, str], said: str
) -> None:
    assert said in invite(staff, account, **form)
    assert not Membership.objects.exists()


def test_a_new_account_invites_its_first_superadmin(
    staff: Client, default_plans: None, mailoutbox: Any
) -> None:
    base = Plan.objects.get(name="Base")
    staff.post(f"{LIST}add/", new_account(base, "First@Example.com"))
    member = Account.objects.get(slug="new-company").memberships.get()
    assert (member.user.email, member.role) == ("first@example.com", Role.SUPERADMIN)
    assert mailoutbox[0].to == ["first@example.com"]


def test_an_account_that_is_refused_invites_nobody(
    staff: Client, default_plans: None, mailoutbox: Any
) -> None:
    base = Plan.objects.get(name="Base")
    staff.post(f"{LIST}add/", new_account(base, "first@example.com", currency="XYZ"))
    assert not User.objects.filter(email="first@example.com").exists()
    assert mailoutbox == []
