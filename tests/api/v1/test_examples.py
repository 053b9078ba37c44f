"""The examples that people copy are run as they are, against the running site."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from billing.models import Account, Plan
from billing.plans.subscriptions import subscribe
from calls.models import Call
from dashboard.api_keys.examples import first_requests
from tests.api.v1.conftest import key_of

pytestmark = pytest.mark.usefixtures("transactional_db")

RUN = {
    "curl": lambda path: ["/bin/sh", str(path)],
    "Python": lambda path: [sys.executable, str(path)],
}


@pytest.fixture
def site(live_server: Any, default_plans: None, account: Account) -> Iterator[str]:
    subscribe(
        account=account,
        plan=Plan.objects.get(name="Professional"),
        at=timezone.now() - timedelta(days=1),
    )
    with override_settings(SITE_URL=live_server.url):
        yield live_server.url


@pytest.mark.parametrize("name", RUN)
def test_the_first_request_records_a_call(
    site: str, account: Account, name: str, tmp_path: Path
) -> None:
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    now = timezone.now()
    made = key_of(account, at=now)
    (example,) = (one for one in first_requests(key=made.secret, now=now) if one.name == name)
    path = tmp_path / "example"
    path.write_text(example.text)
    done = subprocess.run(RUN[name](path), capture_output=True, text=True, check=True)
    assert "created" in done.stdout
    call = Call.objects.get()
    assert (call.credits, call.agent) == (3, "First agent")
