"""The environment is documented whole, and a production environment passes Django's own checks."""

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from allauth import app_settings
from django.core.exceptions import ImproperlyConfigured

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


def settings_in(environment: dict[str, str]) -> dict[str, Any]:
    """Run the settings once more, in this process, with nothing but the given environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", environment)
        return runpy.run_path(str(ROOT / "config" / "settings.py"))


def variables_read() -> set[str]:
    """Return each variable that the settings, or `make run` and `make test`, read."""
    names = set(settings_in(PRODUCTION)["env"].dump())
    for path in (ROOT / "config" / "local").glob("*.py"):
        names |= set(re.findall(r'\.(?:text|flag|port)\(\s*"([A-Z_]+)"', path.read_text()))
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


@pytest.mark.parametrize("command", ["audit_ledger", "migrate", "createsuperuser", "seed_demo"])
def test_a_command_without_its_database_says_so_in_one_line(command: str) -> None:
    nowhere = {**PRODUCTION, "DATABASE_URL": "postgres://127.0.0.1:1/app"}
    done = manage(command, env=nowhere)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("Environment variable DATABASE_URL: connection to server at")


def test_a_command_on_a_database_without_tables_says_what_to_do() -> None:
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    done = manage("audit_ledger", env={**PRODUCTION, "DATABASE_URL": f"{server}/postgres"})
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "run `manage.py migrate`" in done.stderr


@pytest.mark.parametrize(
    ("site", "prefix"), [("https://credits.example.com", "__Host-"), ("http://credits.test", "")]
)
def test_cookies_belong_to_this_very_host_under_https(site: str, prefix: str) -> None:
    given = settings_in({**PRODUCTION, "SITE_URL": site})
    assert given["SESSION_COOKIE_NAME"] == f"{prefix}sessionid"
    assert given["CSRF_COOKIE_NAME"] == f"{prefix}csrftoken"
    assert given["MESSAGE_COOKIE_NAME"] == f"{prefix}messages"


def test_no_script_reads_a_cookie_that_stands_for_somebody() -> None:
    given = settings_in(PRODUCTION)
    assert given["CSRF_COOKIE_HTTPONLY"]
    assert given.get("SESSION_COOKIE_HTTPONLY", True)  # Django's own


@pytest.mark.parametrize("proxies", [0, 2])
def test_the_sign_in_knows_how_many_proxies_there_are(proxies: int, settings: Any) -> None:
    given = {"TRUSTED_PROXY_COUNT": str(proxies)} if proxies else {}
    name = "ALLAUTH_TRUSTED_PROXY_COUNT"
    setattr(settings, name, settings_in({**PRODUCTION, **given})[name])
    assert proxies == app_settings.TRUSTED_PROXY_COUNT


def test_an_address_becomes_the_settings_of_the_database_and_of_mails() -> None:
    given = settings_in(
        {
            **PRODUCTION,
            "DATABASE_URL": "postgres://app:p%40ss@db:6432/app?sslmode=require",
            "EMAIL_URL": "smtp+ssl://user%40host:p%40ss@mail.example.com:465",
        }
    )
    database = given["DATABASES"]["default"]
    assert [database[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME", "OPTIONS")] == [
        *("app", "p@ss", "db", 6432, "app"),
        {"sslmode": "require"},
    ]
    mail = ("HOST_USER", "HOST_PASSWORD", "HOST", "PORT", "USE_SSL", "USE_TLS")
    assert [given[f"EMAIL_{key}"] for key in mail] == [
        *("user@host", "p@ss", "mail.example.com", 465),
        *(True, False),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("SECRET_KEY", "ALLOWED_HOSTS", "SITE_URL", "DATABASE_URL", "REDIS_URL", "EMAIL_URL"),
        "PAYMENT_GATEWAY",
    ],
)
def test_a_missing_variable_stops_production_and_is_named(name: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        settings_in({key: value for key, value in PRODUCTION.items() if key != name})
    assert str(refused.value) == f"Environment variable {name}: must be set (DEBUG is off)"


@pytest.mark.parametrize("command", ["check", "audit_ledger"])
def test_a_command_with_nothing_set_says_in_one_line_what_would_help(command: str) -> None:
    done = manage(command, env={})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "Environment variable SECRET_KEY: must be set (DEBUG is off)."
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
    ("LOG_LEVEL", "LOUD", "'LOUD' is not one of DEBUG, INFO, WARNING, ERROR"),
    ("PAYMENT_GATEWAY", "paypal", "'paypal' is not one of stripe, sandbox"),
    ("SECURE_HSTS_SECONDS", "a year", "'a year' is no whole number"),
    ("WEB_CONCURRENCY", "x", "'x' is no whole number"),
    ("WEB_CONCURRENCY", "1.5", "'1.5' is no whole number"),
    ("WEB_CONCURRENCY", "0", "0 is less than 1"),
    ("PORT", "70000", "70000 is more than 65535"),
    ("SECURE_SSL_REDIRECT", "ja", "'ja' is neither true nor false"),
    ("ALLOWED_HOSTS", " , ", "names no host"),
    ("DATABASE_URL", "mysql://db/app", "begins with none of postgres://, postgresql://"),
    ("DATABASE_URL", "postgres://app:secret@db:port/app", "its host or port cannot be read"),
    ("DATABASE_URL", "postgres://db", "names no database"),
    ("DATABASE_URL", "postgres://app@//run/app", "a socket's directory is its host"),
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
    ("CONTACT_ADDRESS", "nobody", "'nobody' is neither user@host nor https://…"),
    ("CONTACT_ADDRESS", "https://", "names no host"),
    ("SELLER_TAX_NUMBER", "9" * 41, "has 41 characters; at most 40 are allowed"),
    ("PLATFORM_API_BASES", "https://api.vapi.ai", "is no list of name=https://…"),
    ("PLATFORM_API_BASES", "vapi=api.vapi.ai", "begins with none of http://, https://"),
    ("STRIPE_API_BASE", "foo", "begins with none of http://, https://"),
    ("STRIPE_CHECKOUT_ORIGIN", "https://", "names no host"),
]


@pytest.mark.parametrize(("name", "value", "reason"), UNUSABLE)
def test_an_unusable_value_stops_production_and_is_named(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        settings_in({**PRODUCTION, name: value})
    assert str(refused.value).startswith(f"Environment variable {name}: {reason}")
    assert "secret" not in str(refused.value)  # a password belongs in no log


def test_a_command_with_an_unusable_value_says_so_in_one_line() -> None:
    done = manage("check", env={**PRODUCTION, "LOG_LEVEL": "LOUD"})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Environment variable LOG_LEVEL: 'LOUD' is not one of DEBUG, INFO, WARNING, ERROR\n"
    )
