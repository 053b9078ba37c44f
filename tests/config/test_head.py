"""HEAD costs little and sends nothing. Asked as a server asks: the test client drops bodies."""

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponseBase
from django.test import Client, RequestFactory

from billing.models import Account, User
from calls.usage import export
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW

EXPORT = "/a/acme/billing/usage/export.csv?period=custom&from=2026-11-01&to=2026-11-30"


def answer(method: str, address: str, client: Client) -> HttpResponseBase:
    """What the site hands to its server."""
    request = RequestFactory().generic(method, address)
    request.META["HTTP_COOKIE"] = client.cookies.output(header="", sep=";").strip()
    return WSGIHandler().get_response(request)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/accounts/login/", "/no/such/page/", "/health/"])
def test_head_answers_as_get_does_without_the_body(client: Client, address: str) -> None:
    whole = answer("GET", address, client)
    assert b"".join(whole)
    head = answer("HEAD", address, client)
    assert (head.status_code, b"".join(head)) == (whole.status_code, b"")
    assert head.get("Content-Length") == whole.get("Content-Length")


def test_head_of_the_export_reads_no_rows(
    client: Client, member: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_calls(account, 20, last_at=NOW, days=2)
    client.force_login(member)
    read: list[object] = []
    monkeypatch.setattr(export, "_chunks", lambda *_, **__: iter(lambda: read.append(1), None))
    assert b"".join(answer("GET", EXPORT, client))
    assert read == [1]
    head = answer("HEAD", EXPORT, client)
    assert (head.status_code, b"".join(head), read) == (200, b"", [1])
    assert head["Content-Type"] == "text/csv; charset=utf-8"
