"""What a key opens and when, how often, and what every answer says."""

import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import override_settings

from api import limits
from api.v1.calls.views import CallsView
from billing.accounts.api_keys import revoke_key, rotate_key
from billing.models import Account, Membership
from tests.api.v1.conftest import CALLS, PROBLEM, Program, key_of, record
from tests.clock import StopClock
from tests.dashboard.conftest import NOW

BALANCE = "/api/v1/balance/"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ccl_live_nonsense", "Basic YTpi", "Bearer " + "é" * 10],
    ids=["none", "empty", "no key", "forged", "basic", "letters"],
)
def test_without_a_valid_key_nothing_opens(
    program: Program, authorization: str | None, django_assert_num_queries: Any
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with django_assert_num_queries(0):
        response: Any = program.client.get(BALANCE, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (401, PROBLEM)
    assert response["WWW-Authenticate"] == "Bearer"


def test_who_is_signed_in_opens_nothing_without_a_key(program: Program, owner: Any) -> None:
    program.client.force_login(owner)
    assert program.client.get(BALANCE).status_code == 401


def test_a_key_opens_until_it_ends_is_replaced_or_revoked(
    program: Program, account: Account, stop_clock: StopClock
) -> None:
    membership = Membership.objects.get(account=account)
    ending = key_of(account, expires_at=NOW + timedelta(hours=1))
    rotated, revoked = key_of(account), key_of(account)
    new = rotate_key(
        membership=membership, key=rotated.key, public_id=uuid4(), at_once=False, now=NOW
    )
    revoke_key(membership=membership, key=revoked.key, now=NOW)
    opens = lambda made: Program(made.secret).get(BALANCE).status_code == 200  # noqa: E731
    assert [opens(one) for one in (ending, rotated, new, revoked)] == [True, True, True, False]
    stop_clock(NOW + timedelta(hours=24))
    assert [opens(one) for one in (ending, rotated, new, revoked)] == [False, False, True, False]


def test_its_use_is_noted_at_most_once_a_minute(
    account: Account, now: Any, stop_clock: StopClock
) -> None:
    made = key_of(account)
    for seconds, noted in ((0, 0), (59, 0), (60, 60), (90, 60)):
        stop_clock(NOW + timedelta(seconds=seconds))
        Program(made.secret).get(BALANCE)
        made.key.refresh_from_db()
        assert made.key.last_used_at == NOW + timedelta(seconds=noted)


def test_a_request_asks_for_key_and_account_at_once(
    program: Program, django_assert_max_num_queries: Any
) -> None:
    program.get(BALANCE)
    with django_assert_max_num_queries(6):  # snapshot (3), key, balance, grants
        program.get(BALANCE)


# ── Limits ────────────────────────────────────────────────────────────────────────────────────
@override_settings(API_REQUESTS_PER_MINUTE=3)
def test_the_request_that_is_one_too_many_is_told_when_to_come_again(
    program: Program, account: Account
) -> None:
    left = [program.get(BALANCE)["RateLimit"].partition(";t=")[0] for _ in range(3)]
    assert left == ['"key";r=2', '"key";r=1', '"key";r=0']
    refused = program.post(CALLS, record())
    assert (refused.status_code, refused["Content-Type"]) == (429, PROBLEM)
    assert refused["RateLimit-Policy"] == '"key";q=3;w=60'
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert Program(key_of(account).secret).get(BALANCE).status_code == 200


@override_settings(API_REFUSALS_PER_MINUTE=2)
def test_a_visitor_without_a_valid_key_is_limited_and_others_are_not(program: Program) -> None:
    nobody = Program("ccl_live_nonsense")
    assert [nobody.get(BALANCE).status_code for _ in range(4)] == [401, 401, 429, 429]
    assert program.get(BALANCE).status_code == 200
    elsewhere = nobody.client.get(BALANCE, REMOTE_ADDR="203.0.113.9")
    assert elsewhere.status_code == 401


def test_many_at_once_are_counted_exactly() -> None:
    policy, who = limits.Policy("test", 10), uuid4().hex
    barrier = threading.Barrier(8)

    def ask(_: int) -> list[bool]:
        barrier.wait()
        counted = [limits.count(policy, who) for _ in range(5)]
        return [one.is_over for one in counted if one is not None]

    with ThreadPoolExecutor(8) as pool:
        over = [is_over for found in pool.map(ask, range(8)) for is_over in found]
    assert (len(over), over.count(False)) == (40, 10)


def test_while_redis_is_away_requests_pass_and_the_log_says_so(
    program: Program, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = os.environ.get("NOBODY_LISTENS_HERE", "9")
    monkeypatch.setattr(limits, "_away_until", 0.0)
    limits._script.cache_clear()
    with override_settings(REDIS_URL=f"redis://127.0.0.1:{port}/0"):
        responses = [program.get(BALANCE) for _ in range(3)]
    limits._script.cache_clear()
    assert [response.status_code for response in responses] == [200] * 3
    assert not responses[0].has_header("RateLimit")
    said = [one for one in caplog.messages if "not limited" in one]
    assert len(said) == 1  # then it is left alone for a while


# ── What every answer says ────────────────────────────────────────────────────────────────────
def test_every_answer_names_its_request(program: Program) -> None:
    good, bad = program.get(BALANCE), program.get(CALLS, {"limit": "0"})
    assert len({good["X-Request-Id"], bad["X-Request-Id"]}) == 2
    assert bad.json()["request_id"] == bad["X-Request-Id"]


def test_what_the_client_has_already_is_not_sent_again(program: Program) -> None:
    first = program.get(CALLS)
    assert first["Cache-Control"] == "private, no-cache"
    again = program.get(CALLS, If_None_Match=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again.has_header("X-Request-Id")
    assert again.has_header("RateLimit")
    program.post(CALLS, record())
    changed = program.get(CALLS, If_None_Match=first["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_part_of_a_list_that_did_not_change_is_not_sent_again(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a minute later: the address of the next part stays the same."""
    program.post(CALLS, [record("c1"), record("c2")])
    first = program.get(CALLS, {"limit": "1"})
    assert first.has_header("Link")
    later = time.time() + 60
    monkeypatch.setattr(time, "time", lambda: later)
    again = program.get(CALLS, {"limit": "1"}, If_None_Match=first["ETag"])
    assert again.status_code == 304


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_a_problem_that_names_those_there_are(
    program: Program, method: str
) -> None:
    headers = {"Authorization": f"Bearer {program.secret}"}
    response = getattr(program.client, method)(CALLS, headers=headers)
    assert (response.status_code, response["Content-Type"]) == (405, PROBLEM)
    assert {"GET", "POST"} <= set(response["Allow"].split(", "))


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_only_json_is_read(program: Program, content_type: str) -> None:
    response: Any = program.client.generic(
        "POST",
        CALLS,
        b"{}",
        content_type=content_type,
        headers={"Authorization": f"Bearer {program.secret}"},
    )
    assert (response.status_code, response["Content-Type"]) == (415, PROBLEM)


def test_json_may_name_its_character_set(program: Program) -> None:
    response: Any = program.client.generic(
        "POST",
        CALLS,
        b'{"call_id": "x"}',
        content_type="Application/JSON; charset=utf-8",
        headers={"Authorization": f"Bearer {program.secret}"},
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(OperationalError("gone"), 503), (ZeroDivisionError("a secret"), 500)],
    ids=["database", "fault"],
)
def test_a_fault_is_a_problem_that_tells_nothing_of_it(
    program: Program,
    error: Exception,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(CallsView, "get", fail)
    with caplog.at_level(logging.WARNING):
        response = program.get(CALLS)
    assert (response.status_code, response["Content-Type"]) == (status, PROBLEM)
    assert str(error) not in response.text
    assert response["X-Request-Id"] in caplog.text
    assert connection.is_usable()


def test_the_type_of_a_problem_is_an_address_of_the_reference(program: Program) -> None:
    problem = program.get("/api/v1/nothing/").json()
    assert problem["type"] == "http://localhost:8000/help/api/#not-found"
