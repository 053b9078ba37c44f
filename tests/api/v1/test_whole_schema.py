"""Whatever may be sent by the schema, and much that may not: no fault, nothing that breaks the
schema, nothing of another account.

Schemathesis makes the requests; `-k` with the name of an operation runs one of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from billing.models import Account
from billing.payments.programs import begin_top_up
from tests.api.v1.conftest import CALLS, Program, key_of, record
from tests.dashboard.conftest import NOW, call, goodwill, post
from tests.factories import AccountFactory

EXAMPLES = 12  # of each operation and kind
# The account of others has this in everything that it has.
FOREIGN = "foreign-secret"

SCHEMA = schemathesis.openapi.from_path(settings.API_SCHEMA)
SCHEMA.app = get_wsgi_application()
OPERATIONS = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in SCHEMA.get_all_operations()
    if isinstance(found, Ok)
}
MODES = schemathesis.GenerationMode
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@contextmanager
def connection_stays() -> Iterator[None]:
    """Leave the test's connection open after a request: its transaction is the test's.

    Django's own client does so for its requests, and ends it after each.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def key(program: Program, account: Account, default_packs: None) -> Iterator[str]:
    """The key of an account with calls and top-ups, beside one that has others."""
    program.post(CALLS, [record("c1"), record("busy", status="busy", connected_at=None)])
    begin_top_up(
        account=account,
        credits=500,
        idempotency_key="k",
        email="",
        return_url="http://testserver/{id}/",
        now=NOW,
    )
    other = AccountFactory(name=FOREIGN, slug=FOREIGN)
    post(
        call(other, FOREIGN, 3, NOW, agent=FOREIGN, remarks=FOREIGN),
        goodwill(other, 9, reason=FOREIGN),
        at=NOW,
    )
    key_of(other, name=FOREIGN)
    with override_settings(API_REQUESTS_PER_MINUTE=10**9), connection_stays():
        yield program.secret


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, id=f"{name}-{mode.name.lower()}")
        for name, operation in OPERATIONS.items()
        for mode in (MODES.POSITIVE, MODES.NEGATIVE)
        # An address alone can't be invalid.
        if mode is MODES.POSITIVE or list(operation.query) or list(operation.body)
    ],
)
def test_no_request_finds_a_fault(key: str, name: str, mode: schemathesis.GenerationMode) -> None:
    operation = OPERATIONS[name]

    @given(
        case=operation.as_strategy(generation_mode=mode),
        call_id=st.none() | st.sampled_from(["c1", "busy", FOREIGN]),
    )
    @effort(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any, call_id: str | None) -> None:
        if call_id is not None and "call_id" in (case.path_parameters or {}):
            case.path_parameters["call_id"] = call_id
        # Compressed answers are not read by it.
        headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)
        if call_id is None:  # else the address may be told again
            assert FOREIGN not in response.text

    ask()


def test_every_operation_is_asked() -> None:
    assert len(OPERATIONS) == sum(len(methods) for methods in SCHEMA.raw_schema["paths"].values())
