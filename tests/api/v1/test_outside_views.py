"""What fails before a view of the API has it, or has no view, is answered in its own notation."""

from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from tests.api.v1.conftest import CALLS, PROBLEM, Program, pointers

SITE = "https://credits.example"


def offline(request: HttpRequest) -> HttpResponse:
    raise OperationalError("password of the database")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("/srv/secret")


urlpatterns = [
    path(f"{of}/{view.__name__}/", view)
    for of in ("api", "webhooks")
    for view in (offline, suspicious)
]
handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"


@pytest.fixture
def stranger() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def problem(response: Any, status: int) -> dict[str, Any]:
    assert (response.status_code, response["Content-Type"]) == (status, PROBLEM)
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert response["X-Request-Id"] == document["request_id"]
    return document


@override_settings(ALLOWED_HOSTS=["credits.example"], SITE_URL=SITE)
@pytest.mark.parametrize("host", ["elsewhere.example", "credits.example.elsewhere", "a b", ""])
@pytest.mark.parametrize("address", [CALLS, "/api/v1/openapi.yaml", "/api/nowhere"])
def test_a_host_that_is_not_ours_is_told_where_the_api_is(
    stranger: Client, host: str, address: str
) -> None:
    response = stranger.get(address, headers={"host": host})
    said = problem(response, 400)["detail"]
    assert said == f"Nothing is at this host. Send requests to {SITE}."
    assert pointers(response) == ["Host"]


@override_settings(ALLOWED_HOSTS=["credits.example"])
def test_a_page_at_such_a_host_stays_a_page(stranger: Client) -> None:
    response = stranger.get("/apis/", headers={"host": "elsewhere.example"})
    assert (response.status_code, response["Content-Type"][:9]) == (400, "text/html")


@pytest.mark.django_db
def test_too_many_parameters_are_a_fault_of_the_request(program: Program) -> None:
    response = program.get(CALLS, {f"a{number}": "1" for number in range(1_200)})
    assert problem(response, 400)["detail"] == "The address has too many parameters."


@pytest.mark.parametrize("address", ["/api", "/api/", "/api/v1", "/api/v2/calls/", "/api/\nx"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_addresses_beside_the_api_are_none(stranger: Client, address: str, method: str) -> None:
    response = stranger.generic(method, address, "a=b", "application/x-www-form-urlencoded")
    assert "no such address" in problem(response, 404)["detail"]


@override_settings(ROOT_URLCONF=__name__)
def test_what_fails_elsewhere_is_told_without_its_words(stranger: Client) -> None:
    unreadable = stranger.get("/api/suspicious/")
    assert "secret" not in unreadable.text
    assert problem(unreadable, 400)["detail"] == "Something in the request is malformed."
    away = stranger.get("/api/offline/")
    assert "password" not in away.text
    assert problem(away, 503)["type"].endswith("#unavailable")
    assert away["Retry-After"] == "10"


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────
@override_settings(ALLOWED_HOSTS=["credits.example"], SITE_URL=SITE)
@pytest.mark.parametrize("address", ["/webhooks/stripe/", f"/webhooks/calls/vapi/{UUID(int=1)}/"])
def test_a_platform_that_sends_to_another_host_is_told_where_to(
    stranger: Client, address: str
) -> None:
    response = stranger.post(address, {}, "application/json", headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert response.json()["error"] == f"Nothing is at this host. Send requests to {SITE}."


@override_settings(ROOT_URLCONF=__name__)
def test_webhooks_are_told_of_an_outage_in_json(stranger: Client) -> None:
    away = stranger.get("/webhooks/offline/")
    assert (away.status_code, away["Retry-After"]) == (503, "10")
    assert "again" in away.json()["error"]
    assert "password" not in away.text
    assert stranger.get("/webhooks/suspicious/").json()["error"].endswith("is malformed.")


@pytest.mark.parametrize("address", ["/webhooks", "/webhooks/", "/webhooks/calls/vapi/1/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_addresses_beside_the_webhooks_are_none(
    stranger: Client, address: str, method: str
) -> None:
    response = stranger.generic(method, address, "a=b", "application/x-www-form-urlencoded")
    assert (response.status_code, response.json()) == (404, {"error": "there is no such address"})
