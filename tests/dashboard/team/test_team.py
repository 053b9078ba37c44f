"""Settings → Team: inviting, the mail and its link, roles, removing; for those who manage."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.utils import timezone

from billing.models import Account, Activity, Membership, Role, User
from dashboard.sign_in.invitations import invitation_tokens, password_link
from dashboard.team.views import MEMBERS_PER_PAGE
from tests.dashboard.sign_in.test_limits import signs_in
from tests.factories import MembershipFactory, UserFactory

TEAM = "/a/acme/settings/team/"
INVITE = TEAM + "invite/"
CHOSEN = "battery-staple-horse-correct"


@pytest.fixture(autouse=True)
def mails_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the outbox of the tests for a mail server."""
    monkeypatch.setattr("dashboard.team.views.mails_go_out", lambda: True)


@pytest.fixture
def manager(client: Client, owner: User, admin: User) -> Client:
    """An Admin of an account that has a Superadmin too."""
    client.force_login(admin)
    return client


@pytest.fixture
def payer(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


def invited(browser: Client, email: str = "new@example.com", role: str = "member") -> Any:
    return browser.post(INVITE, {"email": email, "role": role}, follow=True)


def page_of(user: User) -> str:
    return f"{TEAM}{Membership.objects.get(user=user, account__slug='acme').pk}/"


def link_in(mail: Any) -> str:
    link: str = next(word for word in mail.body.split() if "/reset/key/" in word)
    return "/" + link.split("/", 3)[3]


def chooses_password(link: str) -> bool:
    """Follow ``link`` in another browser, and choose a password if it lets us."""
    browser = Client()
    page = browser.get(link, follow=True)
    form = {"password1": CHOSEN, "password2": CHOSEN}
    return bool(browser.post(page.request["PATH_INFO"], form).status_code == 302)


# ── The list ──────────────────────────────────────────────────────────────────────────────────
def test_the_list_tells_role_and_state_of_each(
    manager: Client, owner: User, member: User, account: Account
) -> None:
    TOTP.activate(owner, generate_totp_secret())
    MembershipFactory(account=account, user=UserFactory(name="off", is_active=False))
    invited(manager)
    rows = manager.get(TEAM).context["rows"]
    assert [
        (row.member.user.email, row.member.role, row.state, row.has_second_step) for row in rows
    ] == [
        ("owner@example.com", "superadmin", "Active", True),
        ("admin@example.com", "admin", "Active", False),
        ("member@example.com", "member", "Active", False),
        ("new@example.com", "member", "Invited", False),
        ("off@example.com", "member", "Switched off", False),
    ]


def test_who_is_alone_is_told_to_invite_others(payer: Client, account: Account) -> None:
    assert "Nobody else is here yet" in payer.get(TEAM).text
    MembershipFactory(account=account)
    assert "Nobody else is here yet" not in payer.get(TEAM).text


def test_a_large_team_has_pages(payer: Client, account: Account) -> None:
    MembershipFactory.create_batch(MEMBERS_PER_PAGE, account=account)
    assert len(payer.get(TEAM).context["rows"]) == MEMBERS_PER_PAGE
    assert len(payer.get(TEAM + "?page=2").context["rows"]) == 1
    assert payer.get(TEAM + "?page=9")["Location"] == TEAM + "?page=2"


def test_the_list_takes_as_many_queries_for_many(
    payer: Client, account: Account, django_assert_max_num_queries: Any
) -> None:
    payer.get(TEAM)
    for number in range(5):
        invited(payer, f"new{number}@example.com")
    MembershipFactory.create_batch(10, account=account)
    # Session, person, gate and frame; how many, the members, their invitations.
    with django_assert_max_num_queries(16):
        assert len(payer.get(TEAM).context["rows"]) == 16


# ── Inviting ──────────────────────────────────────────────────────────────────────────────────
def test_who_is_new_chooses_a_password_by_the_link_and_is_in(
    manager: Client, mailoutbox: list[Any], account: Account
) -> None:
    page = invited(manager)
    assert "A mail is on its way to new@example.com" in page.text
    (mail,) = mailoutbox
    assert mail.to == ["new@example.com"]
    assert account.name in mail.subject
    assert "admin@example.com invited you to Acme Voice" in mail.body
    assert "for 7 days" in mail.body
    assert chooses_password(link_in(mail))
    assert not chooses_password(link_in(mail))
    person = User.objects.get(email="new@example.com")
    browser = Client()
    assert signs_in(browser, person, CHOSEN) == ""
    assert browser.get("/")["Location"] == "/a/acme/"
    row = manager.get(page_of(person)).context["row"]
    assert (row.state, row.is_invited) == ("Active", False)


@pytest.mark.parametrize(
    ("age", "works"),
    [(timedelta(days=6, hours=23), True), (timedelta(days=7, minutes=1), False)],
    ids=["in time", "too late"],
)
def test_the_link_works_for_seven_days(
    account: Account, age: timedelta, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = UserFactory(name="new")
    now = type(invitation_tokens)._now
    with monkeypatch.context() as earlier:
        earlier.setattr(type(invitation_tokens), "_now", lambda tokens: now(tokens) - age)
        link = password_link(person, tokens=invitation_tokens)
    assert chooses_password("/" + link.split("/", 3)[3]) == works


def test_who_signs_in_already_is_told_where_they_are_now(
    manager: Client, outsider: User, mailoutbox: list[Any], settings: Any
) -> None:
    page = invited(manager, "Outsider@example.com")
    assert "A mail is on its way to outsider@example.com" in page.text
    (mail,) = mailoutbox
    assert mail.to == ["outsider@example.com"]
    assert "/reset/key/" not in mail.body
    assert f"{settings.SITE_URL}/a/acme/" in mail.body
    assert Membership.objects.get(user=outsider, account__slug="acme").role == Role.MEMBER


def test_where_no_mail_leaves_the_server_nobody_is_told_that_one_does(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.team.views.mails_go_out", lambda: False)
    page = invited(manager)
    assert "new@example.com is in the team. This installation sends no e-mail" in page.text
    assert "on its way" not in page.text
    assert "/reset/key/" not in page.text


def test_the_answer_is_the_same_for_known_and_unknown_addresses(
    manager: Client, outsider: User
) -> None:
    said = []
    for email in ("outsider@example.com", "new@example.com"):
        answer = manager.post(INVITE, {"email": email, "role": "member"})
        (message,) = manager.get(TEAM).context["messages"]
        said.append((answer.status_code, answer["Location"], str(message).replace(email, "X")))
    assert said[0] == said[1]


def test_who_is_outside_learns_nothing_of_an_invitation(client: Client, payer: Client) -> None:
    invited(payer)
    answers = []
    for email in ("new@example.com", "nobody@example.com"):
        stranger = Client()
        form = {"login": email, "password": "wrong-password"}
        page = stranger.post("/accounts/login/", form)
        sent = stranger.post("/accounts/password/reset/", {"email": email})
        answers.append(
            (page.status_code, str(page.context["form"].errors), sent.status_code, sent["Location"])
        )
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({}, "email", "Write the address"),
        ({"email": "no address"}, "email", "like asha@example.com"),
        ({"email": '"\x01"@example.com'}, "email", "like asha@example.com"),
        ({"email": f"a@{'İ' * 60}.{'İ' * 60}.{'İ' * 60}.com"}, "email", "at most 254"),
        ({"email": f"{'a' * 250}@example.com"}, "email", "at most 254"),
        ({"email": "member@example.com"}, "email", "in the team already"),
        ({"role": ""}, "role", "Choose what they may do"),
        ({"role": "superadmin"}, "role", "do not have themselves"),
        ({"role": "emperor"}, "role", "do not have themselves"),
    ],
    ids=[
        "nothing",
        "no address",
        "control character",
        "longer in small letters",
        "too long",
        "in the team",
        "no role",
        "role above one's own",
        "unknown role",
    ],
)
def test_an_invitation_that_is_wrong_says_why_beside_the_field(
    manager: Client,
    member: User,
    form: dict[str, str],
    field: str,
    said: str,
    mailoutbox: list[Any],
) -> None:
    sent = {"email": "new@example.com", "role": "member", **form} if form else {}
    people = User.objects.count()
    answer = manager.post(INVITE, sent)
    assert answer.status_code == 422
    assert any(said in error for error in answer.context["form"].errors[field])
    assert f'id="id_{field}_error"' in answer.text
    assert (mailoutbox, User.objects.count()) == ([], people)


def test_too_many_invitations_have_to_wait(payer: Client, mailoutbox: list[Any]) -> None:
    invited(payer)
    page = page_of(User.objects.get(email="new@example.com"))
    for _ in range(2):
        payer.post(page, {"form": "invite"})
    answer = payer.post(page, {"form": "invite"})
    assert (answer.status_code, len(mailoutbox)) == (409, 3)
    assert "Too many invitations" in answer.text


def test_an_invitation_stands_where_its_mail_could_not_be_sent(
    payer: Client, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = invited(payer)
    assert "could not be sent" in page.text
    assert page.context["rows"][-1].state == "Invited"


def test_an_invitation_that_has_expired_is_sent_again(
    payer: Client, mailoutbox: list[Any], stop_clock: Any
) -> None:
    invited(payer)
    person = User.objects.get(email="new@example.com")
    row = payer.get(page_of(person)).context["row"]
    assert (row.state, row.invited_by) == ("Invited", "owner@example.com")
    stop_clock(timezone.now() + timedelta(days=8))
    payer.force_login(User.objects.get(email="owner@example.com"))
    assert "Invitation has expired" in payer.get(TEAM).text
    payer.post(page_of(person), {"form": "invite"})
    assert len(mailoutbox) == 2
    assert link_in(mailoutbox[1])
    assert Activity.objects.filter(kind="people.member_invited").count() == 2


# ── Roles, removing ───────────────────────────────────────────────────────────────────────────
def test_a_role_is_changed(payer: Client, member: User) -> None:
    page = payer.post(page_of(member), {"form": "role", "role": "admin"}, follow=True)
    assert "member@example.com is Admin now" in page.text
    assert Membership.objects.get(user=member).role == Role.ADMIN


def test_a_removed_member_finds_nothing_any_more(payer: Client, member: User) -> None:
    browser = Client()
    browser.force_login(member)
    assert browser.get("/a/acme/").status_code == 200
    payer.post(page_of(member), {"form": "remove"})
    assert browser.get("/a/acme/").status_code == 404


def test_an_admin_is_offered_nothing_about_a_superadmin(manager: Client, owner: User) -> None:
    page = page_of(owner)
    text = manager.get(page).text
    assert 'name="form"' not in text
    assert "Only a Superadmin can change or remove a Superadmin" in text
    for form in ({"form": "remove"}, {"form": "role", "role": "member"}, {"form": "invite"}):
        assert manager.post(page, form).status_code in (409, 422)
    assert Membership.objects.get(user=owner).role == Role.SUPERADMIN


def test_the_last_superadmin_is_told_why_they_stay(payer: Client, owner: User) -> None:
    page = page_of(owner)
    assert "You are the only Superadmin" in payer.get(page).text
    assert payer.post(page, {"form": "remove"}).status_code == 409
    assert payer.post(page, {"form": "role", "role": "member"}).status_code == 422
    assert Membership.objects.get(user=owner).role == Role.SUPERADMIN


def test_who_leaves_or_gives_up_managing_is_led_to_what_they_may_see(
    manager: Client, admin: User
) -> None:
    page = page_of(admin)
    answer = manager.post(page, {"form": "role", "role": "member"})
    assert answer["Location"] == "/a/acme/"
    Membership.objects.filter(user=admin).update(role=Role.ADMIN)
    assert manager.post(page, {"form": "remove"})["Location"] == "/"


@pytest.mark.parametrize("form", ["", "nothing"])
def test_a_form_that_is_none_changes_nothing(payer: Client, member: User, form: str) -> None:
    assert payer.post(page_of(member), {"form": form}).status_code == 422


def test_a_member_of_another_account_is_not_found(payer: Client, outsider: User) -> None:
    page = f"{TEAM}{Membership.objects.get(user=outsider).pk}/"
    assert payer.get(page).status_code == 404
    assert payer.post(page, {"form": "remove"}).status_code == 404
    assert Membership.objects.filter(user=outsider).exists()


@pytest.mark.parametrize("number", ["0", "9" * 40], ids=["zero", "too large for the database"])
def test_a_member_who_can_not_be_is_not_found(payer: Client, number: str) -> None:
    assert payer.get(f"{TEAM}{number}/").status_code == 404
