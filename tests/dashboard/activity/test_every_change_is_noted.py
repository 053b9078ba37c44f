"""Whatever changes something leaves an activity. A page, form, action or command without a case in
`tests.dashboard.activity.changes` fails here."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import get_commands
from django.test import Client
from django.urls import URLResolver

from billing.models import Account, Activity, ActorKind, User
from config.urls import urlpatterns
from dashboard.imports.views import STEPS
from dashboard.urls import account_pages
from tests.dashboard.activity.changes import (
    CLOCK,
    NEW_PASSWORD,
    OF_COMMANDS,
    OF_COMMANDS_NOT_NOTED,
    OF_OPERATORS,
    OF_PAGES,
    OF_PAGES_NOT_NOTED,
    OF_SIGN_IN,
    OF_SIGN_IN_NOT_NOTED,
    Change,
    Company,
)
from tests.dashboard.test_access import ACTIONS, BARE_ACTIONS
from tests.factories import PASSWORD

OWN_APPS = ("billing", "calls", "dashboard", "config")
CHANGES = OF_PAGES | OF_SIGN_IN | OF_OPERATORS | OF_COMMANDS


@pytest.fixture
def company(
    client: Client, customer: Account, owner: User, member: User, operator: User, tmp_path: Path
) -> Company:
    """An account on Base with its people."""
    return Company(customer, owner, member, operator, client, tmp_path)


@pytest.fixture(autouse=True)
def _password_and_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW_PASSWORD)
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: CLOCK)


# ── Nothing is without a case ─────────────────────────────────────────────────────────────────
def first_words(names: Iterable[str]) -> set[str]:
    return {name.partition(" ")[0] for name in names}


def names_of(patterns: Iterable[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":
                yield from names_of(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_every_page_of_an_account_that_takes_a_form_has_a_case() -> None:
    assert first_words(OF_PAGES | OF_PAGES_NOT_NOTED) == ACTIONS | set(BARE_ACTIONS)


def test_every_step_of_an_import_has_a_case() -> None:
    cases = {name for name in OF_PAGES | OF_PAGES_NOT_NOTED if name.startswith("import_page ")}
    steps = {*STEPS, "delete", "layout", "answer"}
    assert cases == {f"import_page {step}" for step in steps}


def test_every_other_page_has_a_case_or_a_reason_why_not() -> None:
    others = set(names_of(urlpatterns)) - set(names_of(account_pages))
    assert first_words(OF_SIGN_IN | OF_SIGN_IN_NOT_NOTED) == others


def test_all_that_operators_can_do_has_a_case() -> None:
    possible = set()
    for model, page in admin.site._registry.items():
        label = model._meta.label
        possible |= {f"{label} {what}" for what in getattr(page, "allowed", ())}
        possible |= {f"{label} {action.name}" for action in getattr(page, "record_actions", ())}
        possible |= {f"{label} {inline.__name__}" for inline in page.inlines}
        assert not page.actions
    cases = {" ".join(name.split()[:2]) for name in OF_OPERATORS}
    assert cases == possible


def test_every_command_of_ours_has_a_case_or_a_reason_why_not() -> None:
    ours = {
        name
        for name, app in get_commands().items()
        if isinstance(app, str) and app.partition(".")[0] in OWN_APPS
    }
    assert first_words(OF_COMMANDS | OF_COMMANDS_NOT_NOTED) == ours


# ── Each leaves its activity ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_noted_with_who_what_and_from_where(company: Company, change: Change) -> None:
    act = change.prepare(company)
    before = set(Activity.objects.values_list("pk", flat=True))
    act()
    noted = Activity.objects.exclude(pk__in=before)
    fitting = [one for one in noted if one.kind == change.kind]
    assert fitting, [one.kind for one in noted]
    for one in fitting:
        assert one.by_kind == change.by
        assert (one.account is not None) == change.is_of_account
        is_by_command = change.by == ActorKind.COMMAND
        assert one.visitor == ("" if is_by_command else "127.0.0.1")
        assert one.by_name
    said = json.dumps(list(noted.values("subject", "changes", "reason")))
    for secret in (PASSWORD, NEW_PASSWORD):
        assert secret not in said
