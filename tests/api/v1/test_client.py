"""A client that a maintained generator made of the schema records a call and reads its charge."""

import importlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from billing.models import Account, Plan
from billing.plans.subscriptions import subscribe
from tests.api.v1.conftest import key_of


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the package of the client, which can be imported."""
    options = tmp_path / "options.yaml"
    options.write_text("post_hooks: []\npackage_name_override: call_credits_client\n")
    package = tmp_path / "call_credits_client"
    command = ["generate", "--path", str(settings.API_SCHEMA), "--config", str(options)]
    command += ["--meta", "none", "--output-path", str(package)]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout, done.stdout
    monkeypatch.syspath_prepend(tmp_path)
    return package.name


def test_a_generated_client_records_a_call_and_reads_its_charge(
    transactional_db: None,
    live_server: Any,
    default_plans: None,
    account: Account,
    generated: str,
) -> None:
    now = timezone.now()
    subscribe(account=account, plan=Plan.objects.get(name="Professional"), at=now - timedelta(1))
    record_calls = importlib.import_module(f"{generated}.api.calls.record_calls")
    get_call = importlib.import_module(f"{generated}.api.calls.get_call")
    models = importlib.import_module(f"{generated}.models")
    client = importlib.import_module(generated).AuthenticatedClient(
        base_url=live_server.url, token=key_of(account, at=now).secret
    )
    started_at = now - timedelta(minutes=10)
    record = models.CallRecord(
        call_id="from/the client",
        usage_type=models.UsageType.OUTBOUND,
        status=models.CallStatus.COMPLETED,
        started_at=started_at,
        connected_at=started_at,
        ended_at=started_at + timedelta(seconds=65),
    )
    with client:  # closes its connections, for which the server waits
        recorded = record_calls.sync(client=client, body=[record])
        assert [one.outcome.value for one in recorded.results] == ["created"]
        call = get_call.sync("from/the client", client=client)
        assert (call.charge.credits_, call.charge.increments) == (3, 3)
        assert call.explanation.startswith("65 s, billed as 3 × 30 s")
        assert isinstance(get_call.sync("no such call", client=client), models.Problem)
