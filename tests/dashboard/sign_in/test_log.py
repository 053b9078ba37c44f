"""What the log says about sign-in: who, what, from where, and never a secret."""

import json
import logging
from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing import security_log
from billing.accounts.api_keys import create_key
from billing.models import Account, Scope, User
from config import gunicorn
from config.logs import Line, MaskLinks
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines about sign-in so far, each as an object."""
    caplog.set_level(logging.INFO, logger="security")
    return lambda: [
        json.loads(record.message) for record in caplog.records if record.name == "security"
    ]


@pytest.fixture(autouse=True)
def _nothing_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security_log, "_bounds", defaultdict(security_log.Bound))


def sign_in(browser: Client, address: str, password: str) -> None:
    browser.post(reverse("account_login"), {"login": address, "password": password})


def test_who_signs_in_from_where_is_logged(client: Client, owner: User, lines: Any) -> None:
    sign_in(client, owner.email, "wrong")
    sign_in(client, owner.email, PASSWORD)
    client.post(reverse("account_logout"))
    who = f"{owner.pk} {owner.email}"
    said = lines()
    assert all(datetime.fromisoformat(line.pop("at")) for line in said)
    assert said == [
        {"event": event, "who": who, "visitor": "127.0.0.1", "logger": "security"}
        for event in ("wrong password", "signed in", "signed out")
    ]


def test_a_password_typed_as_an_address_is_not_logged(
    client: Client, lines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(6):
        sign_in(client, "my-secret@password.example", "another-secret")
    assert [line["who"] for line in lines()] == ["unknown"] * 6
    assert lines()[-1]["event"] == "refused: too many wrong passwords"
    assert "secret" not in "".join(record.message for record in caplog.records)


def test_what_an_operator_changes_is_logged(
    client: Client, operator: User, owner: User, lines: Any
) -> None:
    client.force_login(operator)
    form = {
        "email": owner.email,
        "first_name": "Asha",
        "is_active": "on",
        "memberships-TOTAL_FORMS": 0,
        "memberships-INITIAL_FORMS": 0,
    }
    client.post(f"/admin/billing/user/{owner.pk}/change/", form)
    line = lines()[-1]
    assert line["event"] == "operator changed"
    assert line["who"].endswith(operator.email)
    assert "First name" in line["how"]


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────
def test_a_page_that_somebody_may_not_see_is_logged(
    client: Client, member: User, lines: Any
) -> None:
    client.force_login(member)
    assert client.get("/a/acme/settings/api-keys/?token=s3cret").status_code == 403
    line = lines()[-1]
    assert line["event"] == "refused: page"
    assert line["who"] == f"{member.pk} {member.email}"
    assert line["page"] == "a/<slug:slug>/settings/api-keys/"
    assert (line["account"], line["visitor"]) == ("acme", "127.0.0.1")


def test_a_form_without_its_token_is_logged(owner: User, lines: Any) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(reverse("account_login"), {"login": "s3cret"}).status_code == 403
    line = lines()[-1]
    assert (line["event"], line["who"]) == ("refused: page", "unknown")
    assert (line["method"], line["page"]) == ("POST", "accounts/login/")


@pytest.mark.parametrize(
    ("headers", "why"), [({}, "no key"), ({"authorization": "Bearer s3cret"}, "no such key")]
)
def test_a_refused_key_is_logged_without_itself(
    client: Client, lines: Any, headers: dict[str, str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/api/v1/balance/", headers=headers).status_code == 401
    line = lines()[-1]
    assert (line["event"], line["why"], line["visitor"]) == ("refused: key", why, "127.0.0.1")
    assert "s3cret" not in caplog.text


def test_a_key_that_may_not_do_that_is_logged_by_its_name(
    client: Client, account: Account, owner: User, lines: Any
) -> None:
    key = create_key(
        membership=account.memberships.get(user=owner),
        public_id=uuid4(),
        name="Switch",
        scopes=[Scope.CALLS_READ],
        expires_at=None,
        now=timezone.now(),
    )
    headers = {"authorization": f"Bearer {key.secret}"}
    assert client.get("/api/v1/balance/", headers=headers).status_code == 403
    line = lines()[-1]
    assert (line["event"], line["who"]) == ("refused: page", "key Switch")
    assert key.secret not in str(lines())


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("/webhooks/sandbox/", "sandbox"),
        ("/webhooks/calls/vapi/7b0f1f0e-0000-4000-8000-000000000000/", "vapi"),
    ],
)
def test_a_refused_webhook_is_logged(client: Client, lines: Any, address: str, who: str) -> None:
    headers = {"sandbox-signature": "t=1,v1=s3cret"}
    answer = client.post(address, b"s3cret", content_type="application/json", headers=headers)
    line = lines()[-1]
    assert (line["event"], line["who"]) == ("refused: webhook", who)
    assert (line["status"], line["visitor"]) == (answer.status_code, "127.0.0.1")
    assert "s3cret" not in str(line)


def test_thousands_of_refusals_are_a_few_lines(client: Client, lines: Any) -> None:
    for _ in range(security_log.LINES_OF_A_VISITOR_MAX + 30):
        client.get("/api/v1/balance/")
    assert len(lines()) == security_log.LINES_OF_A_VISITOR_MAX


def test_a_visitor_leaves_room_for_others_and_what_is_left_out_is_told() -> None:
    bound = security_log.Bound()
    most = security_log.LINES_OF_A_VISITOR_MAX
    said = [bound.count("one", now=1000.0) for _ in range(3 * most)]
    assert said == [0] * most + [None] * 2 * most
    assert bound.count("other", now=1001.0) == 0
    assert bound.count("one", now=1059.9) is None
    assert bound.count("one", now=1060.0) == 2 * most + 1
    assert bound.count("one", now=1060.1) == 0


def test_many_visitors_are_bounded_together() -> None:
    bound = security_log.Bound()
    said = [bound.count(f"visitor {number}", now=1000.0) for number in range(5_000)]
    assert [one for one in said if one is not None] == [0] * security_log.LINES_MAX


# ── How the lines look ────────────────────────────────────────────────────────────────────────
def test_a_line_is_json_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="security")
    security_log.write("signed in", who="1 a@b.example")
    configured: Any = settings.LOGGING["formatters"]
    assert configured["line"]["()"] == "config.logs.Line"
    printed = Line(configured["line"]["fmt"]).format(caplog.records[-1])
    assert json.loads(printed)["event"] == "signed in"
    other = logging.LogRecord("billing", logging.INFO, "", 0, "said", (), None)
    assert Line("%(levelname)s %(message)s").format(other) == "INFO said"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("GET /accounts/password/reset/key/2-c8z1x-9f3/ 200", ()),
        ('"%s" %s', ("GET /accounts/password/reset/key/2-c8z1x-9f3 HTTP/1.1", 200)),
    ],
)
def test_links_to_a_new_password_are_masked(message: str, arguments: tuple[Any, ...]) -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, message, arguments, None)
    assert MaskLinks().filter(record)
    assert "c8z1x" not in record.getMessage()
    assert "/password/reset/key/…" in record.getMessage()


def test_the_access_log_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    assert gunicorn.accesslog == "-"
    caplog.set_level(logging.INFO, logger="gunicorn.access")
    atoms = {"r": "GET /accounts/password/reset/key/2-c8z1x-9f3/ HTTP/1.1", "s": 200}
    logging.getLogger("gunicorn.access").info('"%(r)s" %(s)s', atoms)
    assert caplog.messages == ['"GET /accounts/password/reset/key/…/ HTTP/1.1" 200']
