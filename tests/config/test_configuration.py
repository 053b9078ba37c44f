"""The environment is documented whole, and a production environment passes Django's own checks."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "p7Zs0y-PvT6dq1mJx2NqkB8eWf3hUoRtLgYcVnXa5DiMrKbE9wzCQuHj4",
    "ALLOWED_HOSTS": "credits.example.com",
    "SITE_URL": "https://credits.example.com",
    "DATABASE_URL": "postgres://app:secret@db:5432/app",
    "REDIS_URL": "redis://:secret@redis:6379/0",
    "EMAIL_URL": "smtp+tls://user:secret@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "billing@example.com",
    "PAYMENT_GATEWAY": "stripe",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}


def variables_read() -> set[str]:
    """Return each variable that a module of config/ reads through its `env`."""
    names = set()
    for path in (ROOT / "config").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "env"
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                names.add(str(node.args[0].value))
    return names


def manage(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run manage.py in nothing but the given environment."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        # No state: else a `make run` beside the tests would lend its environment.
        env={"PATH": os.environ["PATH"], "STATE_DIR": os.devnull, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def variables_documented() -> set[str]:
    """Return each variable of the README's table."""
    table = (ROOT / "README.md").read_text().partition("## Configuration")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([A-Z_]+)` \|", table, flags=re.MULTILINE))


def test_the_readme_documents_every_variable_and_no_other() -> None:
    assert variables_documented() == variables_read()


def test_a_production_environment_passes_the_deployment_check() -> None:
    done = manage("check", "--deploy", "--fail-level=WARNING", env=PRODUCTION)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("proxies", ["0", "2"])
def test_the_sign_in_knows_how_many_proxies_there_are(proxies: str) -> None:
    asked = "from allauth import app_settings; print(app_settings.TRUSTED_PROXY_COUNT)"
    environment = PRODUCTION if proxies == "0" else {**PRODUCTION, "TRUSTED_PROXY_COUNT": proxies}
    done = manage("shell", "--no-imports", "--command", asked, env=environment)
    assert done.stdout.strip() == proxies, done.stderr


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "ALLOWED_HOSTS", "SITE_URL", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"]
)
def test_a_missing_variable_stops_production_and_is_named(name: str) -> None:
    done = manage("check", env={key: value for key, value in PRODUCTION.items() if key != name})
    assert done.returncode == 2
    assert done.stderr.startswith(f"Environment variable {name} must be set (DEBUG is off)")


@pytest.mark.parametrize("command", ["check", "audit_ledger"])
def test_a_command_with_nothing_set_says_in_one_line_what_would_help(command: str) -> None:
    done = manage(command, env={})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "Environment variable SECRET_KEY must be set (DEBUG is off)."
        " Beside a running `make run`, commands take its settings.\n"
    )


def test_help_needs_no_settings() -> None:
    assert manage("help", env={}).returncode == 0


@pytest.mark.parametrize("after_seconds", [0.5, 3])
def test_an_interrupted_command_ends_quietly(after_seconds: float) -> None:
    """Whether it still loads or works already."""
    command = ["shell", "--no-imports", "--command", "import time; time.sleep(60)"]
    started = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STATE_DIR": os.devnull, **PRODUCTION},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(after_seconds)
    started.send_signal(signal.SIGINT)
    said, _ = started.communicate()
    assert (started.returncode, said) == (130, "")


UNUSABLE = [
    ("DEBUG", "ture", "'ture' is neither true nor false"),
    ("LOG_LEVEL", "LOUD", "'LOUD' is not one of"),
    ("SECURE_HSTS_SECONDS", "a year", "'a year' is no whole number"),
    ("WEB_CONCURRENCY", "x", "'x' is no whole number"),
    ("WEB_CONCURRENCY", "0", "0 is less than 1"),
    ("ALLOWED_HOSTS", " , ", "must be set"),
    ("DATABASE_URL", "mysql://db/app", "begins with none of postgres://, postgresql://"),
    ("DATABASE_URL", "postgres://app:secret@db:port/app", "its host or port cannot be read"),
    ("DATABASE_URL", "postgres://db", "names no database"),
    ("SITE_URL", "credits.example.com", "begins with none of http://, https://"),
    ("SITE_URL", "https://", "names no host"),
    ("SITE_URL", "https://our site/", "names no host"),
    ("REDIS_URL", "http://redis", "begins with none of redis://, rediss://"),
    ("REDIS_URL", "redis://:secret@redis:abc/0", "its host or port cannot be read"),
    ("REDIS_URL", "redis://:secret@redis/first", "its database is no number"),
    ("EMAIL_URL", "garbage", "begins with none of smtp://"),
    ("EMAIL_URL", "smtp://", "names no host"),
    ("EMAIL_URL", "smtp://user:secret@mail:notaport", "its host or port cannot be read"),
    ("DEFAULT_FROM_EMAIL", "nonsense", "'nonsense' is no e-mail address"),
    ("STRIPE_API_BASE", "foo", "begins with none of http://, https://"),
    ("STRIPE_CHECKOUT_ORIGIN", "https://", "names no host"),
]


@pytest.mark.parametrize(("name", "value", "reason"), UNUSABLE)
def test_an_unusable_value_stops_production_and_is_named(
    name: str, value: str, reason: str
) -> None:
    done = manage("check", env={**PRODUCTION, name: value})
    assert done.returncode == 2
    assert re.fullmatch(rf"Environment variable {name}:? {re.escape(reason)}.*\n", done.stderr)
    assert "secret" not in done.stderr  # a password belongs in no log
