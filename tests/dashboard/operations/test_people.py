"""An operator looks after people; only a superuser makes or changes an operator."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.test import Client

from billing.models import Account, Membership, Role, User
from tests.factories import PASSWORD, OperatorFactory, UserFactory

PEOPLE = "/admin/billing/user/"
SECRET = "a-first-password-7"


@pytest.fixture
def clerk(client: Client, db: None) -> Client:
    """The browser of an operator who is no superuser."""
    client.force_login(OperatorFactory(name="clerk", is_superuser=False))
    return client


def filled(person: User, **changes: Any) -> dict[str, Any]:
    return {
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
        **changes,
    }


def added(**changes: Any) -> dict[str, Any]:
    return {"email": "new@example.com", **changes}


def choose_password(link: str, password: str) -> None:
    """Follow a link from a mail, as whoever got it."""
    browser = Client()
    page = browser.get("/" + link.split("/", 3)[3], follow=True)
    form = {"password1": password, "password2": password}
    browser.post(page.request["PATH_INFO"], form)


def link_in(mail: Any) -> str:
    return next(word for word in str(mail.body).split() if "/reset/key/" in word)


def page(person: User) -> str:
    return f"{PEOPLE}{person.pk}/change/"


def test_a_person_who_was_added_chooses_a_password_and_signs_in(
    clerk: Client, mailoutbox: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        clerk.post(f"{PEOPLE}add/", added(email="New@Example.com"))
    assert not User.objects.get(email="new@example.com").has_usable_password()
    (mail,) = mailoutbox
    assert (mail.to, mail.subject) == (["new@example.com"], "Call Credits: Choose your password")
    choose_password(link_in(mail), SECRET)
    browser = Client()
    browser.post("/accounts/login/", {"login": "new@example.com", "password": SECRET})
    assert browser.session["_auth_user_id"] == str(User.objects.get(email="new@example.com").pk)


def test_an_operator_sends_the_link_again(
    clerk: Client, owner: User, mailoutbox: list[Any]
) -> None:
    address = f"{PEOPLE}{owner.pk}/password-link/"
    assert owner.email in clerk.get(address).content.decode()
    clerk.post(address)
    choose_password(link_in(mailoutbox[0]), SECRET)
    owner.refresh_from_db()
    assert owner.check_password(SECRET)


def test_no_operator_types_a_password(staff: Client, owner: User) -> None:
    for address in (f"{PEOPLE}add/", page(owner)):
        assert 'type="password"' not in staff.get(address).content.decode()
    before = owner.password
    staff.post(page(owner), filled(owner, password=SECRET, password1=SECRET, password2=SECRET))
    assert staff.post(f"{PEOPLE}{owner.pk}/password/", {}).status_code != 200
    owner.refresh_from_db()
    assert owner.password == before


def test_no_list_is_filtered_by_a_secret(staff: Client, owner: User) -> None:
    for address in (
        f"{PEOPLE}?password__startswith=pbkdf2",
        "/admin/mfa/authenticator/?data__secret__startswith=A",
        "/admin/mfa/authenticator/?user__password__startswith=p",
    ):
        assert staff.get(address).status_code == 400


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"email": "OWNER@example.com"}, "email", "signs in with this address already"),
        ({"email": "nobody"}, "email", "valid email"),
        ({"email": ""}, "email", "required"),
    ],
)
def test_a_wrong_person_is_refused_beside_the_field(
    clerk: Client, owner: User, changes: dict[str, str], field: str, said: str
) -> None:
    people = User.objects.count()
    response = clerk.post(f"{PEOPLE}add/", added(**changes))
    assert said in str(response.context["adminform"].form.errors[field])
    assert User.objects.count() == people


def test_a_changed_address_is_the_only_one_that_signs_in(clerk: Client, owner: User) -> None:
    clerk.post(page(owner), filled(owner, email="moved@example.com"))
    owner.refresh_from_db()
    assert owner.email == "moved@example.com"
    addresses = EmailAddress.objects.filter(user=owner)
    assert list(addresses.values_list("email", "verified", "primary")) == [
        ("moved@example.com", True, True)
    ]


def test_a_person_is_made_inactive_and_never_deleted(clerk: Client, owner: User) -> None:
    assert clerk.post(f"{PEOPLE}{owner.pk}/delete/", {"post": "yes"}).status_code == 403
    form = filled(owner)
    del form["is_active"]
    clerk.post(page(owner), form)
    owner.refresh_from_db()
    assert owner.is_active is False


def test_shutting_out_the_only_superadmin_is_done_with_a_warning(
    clerk: Client, owner: User
) -> None:
    form = filled(owner)
    del form["is_active"]
    response = clerk.post(page(owner), form, follow=True)
    said = [str(message) for message in response.context["messages"]]
    assert (
        "Nobody else can top up or change the plan of Acme Voice. Make somebody superadmin there."
        in said
    )


@pytest.mark.parametrize(
    "changes", [{"memberships-0-role": "member"}, {"memberships-0-DELETE": "on"}]
)
@pytest.mark.parametrize("others", [[], [False], [True]])
def test_an_account_keeps_a_superadmin_also_from_the_persons_page(
    clerk: Client, account: Account, owner: User, changes: dict[str, str], others: list[bool]
) -> None:
    for is_active in others:
        other = UserFactory(is_active=is_active)
        Membership.objects.create(account=account, user=other, role=Role.SUPERADMIN)
    membership = owner.memberships.get()
    form = {
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": membership.pk,
        "memberships-0-user": owner.pk,
        "memberships-0-account": account.pk,
        "memberships-0-role": "superadmin",
    }
    response = clerk.post(page(owner), filled(owner, **{**form, **changes}))
    if True in others:
        assert not owner.memberships.filter(role=Role.SUPERADMIN).exists()
    else:
        assert "Nobody else can top up or change the plan of Acme Voice" in str(
            response.context["inline_admin_formsets"][0].formset.non_form_errors()
        )
        assert owner.memberships.get().role == Role.SUPERADMIN


def test_an_operator_cannot_make_an_operator_by_a_forged_form(clerk: Client, owner: User) -> None:
    clerk.post(page(owner), filled(owner, is_staff="on", is_superuser="on"))
    owner.refresh_from_db()
    assert (owner.is_staff, owner.is_superuser) == (False, False)


@pytest.mark.parametrize("address", ["change"])
def test_an_operator_cannot_change_a_superuser(clerk: Client, operator: User, address: str) -> None:
    forged = {**filled(operator, email="mine@example.com"), **added(email="mine@example.com")}
    response = clerk.post(f"{PEOPLE}{operator.pk}/{address}/", forged)
    assert response.status_code == 403
    operator.refresh_from_db()
    assert operator.email == "operator@example.com"


def test_an_operator_cannot_have_a_link_sent_to_a_superuser(
    clerk: Client, operator: User, mailoutbox: list[Any]
) -> None:
    clerk.post(f"{PEOPLE}{operator.pk}/password-link/")
    assert mailoutbox == []


def test_a_superuser_makes_an_operator(staff: Client) -> None:
    person = UserFactory()
    staff.post(page(person), filled(person, is_staff="on"))
    person.refresh_from_db()
    assert person.is_staff is True


def test_the_list_says_who_belongs_where(clerk: Client, owner: User) -> None:
    assert "Acme Voice (Superadmin)" in clerk.get(PEOPLE, {"q": "owner@"}).content.decode()


@pytest.fixture
def factor(owner: User) -> Authenticator:
    return Authenticator.objects.create(
        user=owner, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"}
    )


def test_a_lost_second_factor_is_deleted_and_its_secret_never_shown(
    clerk: Client, factor: Authenticator
) -> None:
    page_of_factor = f"/admin/mfa/authenticator/{factor.pk}"
    assert "JBSWY3DPEHPK3PXP" not in clerk.get(f"{page_of_factor}/change/").content.decode()
    clerk.post(f"{page_of_factor}/delete/", {"post": "yes"})
    assert not Authenticator.objects.exists()


def test_an_operator_cannot_delete_the_second_factor_of_a_superuser(
    clerk: Client, operator: User, factor: Authenticator
) -> None:
    Authenticator.objects.update(user=operator)
    response = clerk.post(f"/admin/mfa/authenticator/{factor.pk}/delete/", {"post": "yes"})
    assert response.status_code == 403
    assert Authenticator.objects.exists()


def test_the_pages_of_other_applications_do_not_bypass_these(staff: Client) -> None:
    for model in ("account/emailaddress", "auth/group"):
        assert staff.get(f"/admin/{model}/").status_code == 404


# ── Addresses are the operators' matter ───────────────────────────────────────────────────────
@pytest.mark.parametrize("address", ["email/", "confirm-email/", "confirm-email/MQ:1abc:xyz/", ""])
def test_nobody_adds_or_confirms_an_address_of_his_own(
    client: Client, outsider: User, owner: User, address: str, mailoutbox: list[Any]
) -> None:
    client.force_login(outsider)
    before = list(EmailAddress.objects.values())
    form = {"action_add": "", "email": owner.email}
    for browser in (client, Client()):
        assert browser.get(f"/accounts/{address}").status_code == 404
        assert browser.post(f"/accounts/{address}", form).status_code == 404
    assert list(EmailAddress.objects.values()) == before
    assert mailoutbox == []


@pytest.fixture
def claimed(outsider: User) -> list[str]:
    """Addresses that somebody else once added, of which one is a person's and one nobody's yet."""
    claimed = ["owner@example.com", "new@example.com"]
    for email in claimed:
        EmailAddress.objects.create(user=outsider, email=email)
    return claimed


def test_an_address_that_somebody_claimed_stops_no_operator(
    clerk: Client, owner: User, claimed: list[str]
) -> None:
    form = filled(owner)
    del form["is_active"]
    clerk.post(page(owner), form)
    owner.refresh_from_db()
    assert owner.is_active is False


def test_an_address_that_somebody_claimed_signs_in_whom_an_operator_gave_it(
    clerk: Client, outsider: User, claimed: list[str]
) -> None:
    clerk.post(f"{PEOPLE}add/", added())
    added_person = User.objects.get(email="new@example.com")
    added_person.set_password(SECRET)
    added_person.save()
    for password, signed_in in ((SECRET, str(added_person.pk)), (PASSWORD, None)):
        browser = Client()
        browser.post("/accounts/login/", {"login": "new@example.com", "password": password})
        assert browser.session.get("_auth_user_id") == signed_in
