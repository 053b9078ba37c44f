"""Pages for when something is wrong: they need neither a database nor an account."""

import pytest
from django.core.exceptions import SuspiciousOperation
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from django.views import defaults


def offline(request: HttpRequest) -> HttpResponse:
    raise OperationalError("the database is away")


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("cut off")


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


urlpatterns = [
    path("offline/", offline),
    path("suspicious/", suspicious),
    path("broken/", broken),
]
handler400 = "config.errors.bad_request"
handler500 = "config.errors.server_error"


@pytest.fixture
def browser_of_a_stranger() -> Client:
    return Client(raise_request_exception=False)


@override_settings(ROOT_URLCONF=__name__)
def test_a_database_that_is_away_is_answered_with_words(browser_of_a_stranger):
    answer = browser_of_a_stranger.get("/offline/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "The database does not answer" in answer.content.decode()


@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_of_ours_is_answered_with_words(browser_of_a_stranger):
    answer = browser_of_a_stranger.post("/broken/", {"a": "form"})
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()


@override_settings(ROOT_URLCONF=__name__)
def test_a_request_that_makes_no_sense_is_answered_with_words(browser_of_a_stranger):
    answer = browser_of_a_stranger.get("/suspicious/")
    assert answer.status_code == 400
    assert "could not be read" in answer.content.decode()


@pytest.mark.django_db
def test_an_address_that_does_not_exist_leads_back(client):
    answer = client.get("/no/such/page/")
    assert answer.status_code == 404
    assert "There is no such page" in answer.content.decode()


@pytest.mark.django_db
def test_a_form_without_its_token_says_that_nothing_was_changed():
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a@example.com"})
    assert answer.status_code == 403
    assert "The form has expired" in answer.content.decode()


def test_a_refusal_names_who_can_help():
    answer = defaults.permission_denied(RequestFactory().get("/"), Exception())
    assert "Ask a Superadmin of your account" in answer.content.decode()
