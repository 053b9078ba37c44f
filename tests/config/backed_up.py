"""A company with a past, and what its pages show: run on a migrated database, then on its copy.

python -m tests.config.backed_up fill     stores it
python -m tests.config.backed_up pages    prints a digest of each page, as JSON
"""

import hashlib
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

django.setup()

# Django's set-up comes first.
from allauth.mfa.models import Authenticator  # noqa: E402
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from billing.accounts.opening import open_account  # noqa: E402
from billing.accounts.people import add_person  # noqa: E402
from billing.models import Account, Plan, User  # noqa: E402
from billing.plans.movements import adjust  # noqa: E402
from calls.imports import uploads  # noqa: E402
from calls.inbox import sources  # noqa: E402
from calls.models import FileImport  # noqa: E402

OWNER, OPERATOR = "owner@example.com", "operator@example.com"
PAGES = (
    "/a/acme/billing/usage/?period=custom&from=2026-11-08&to=2026-11-12",
    "/a/acme/billing/usage/export.csv?period=custom&from=2026-11-08&to=2026-11-12",
    "/a/acme/billing/usage/calls/c1/",
    "/a/acme/billing/subscription/",
    "/a/acme/settings/activity/",
    "/a/acme/settings/notifications/",
    "/a/acme/calls/imports/",
)
ADMIN_PAGES = ("/admin/billing/account/", "/admin/billing/ledgerentry/", "/admin/calls/call/")
# What differs between two answers with the same words.
PASSING = re.compile(
    r'csrfmiddlewaretoken" value="\w+"|"csrfToken": "\w+"|X-CSRFToken": "\w+"|as_of=\d+-\d+'
)


def fill(folder: Path) -> None:
    """Store an account with calls, an adjustment, a file on its way in, and a second step."""
    now = timezone.now()
    owner = add_person(email=OWNER)
    add_person(email=OPERATOR, is_operator=True)
    account = open_account(
        account=Account(name="Acme Voice", slug="acme", time_zone="Asia/Kolkata"),
        plan=Plan.objects.get(name="Professional"),
        owner=owner,
        now=now,
        starts_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    from tests.dashboard.imports.conftest import own_csv  # noqa: PLC0415  # it needs the models

    file = folder / "calls.csv"
    file.write_bytes(own_csv("c1", "c2", "c3"))
    call_command("import_calls", str(file), account="acme")
    adjust(account=account, credits=-7, reason="Tried out", reference="test", at=now)
    TOTP.activate(owner, generate_totp_secret())
    sources.connect(account=account, kind="vapi", name="Vapi", by=owner, now=now)
    uploads.take_whole(
        account=account, by=owner, file_name="later.csv", chunks=[own_csv("c4")], now=now
    )
    client = Client()
    client.force_login(owner)


def pages() -> dict[str, str]:
    """A digest of each page, by address; and how many imports still have their file."""
    found = {}
    User.objects.filter(email=OPERATOR).update(
        second_step_due_at=timezone.now() + timedelta(days=1)
    )
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        for email, addresses in ((OWNER, PAGES), (OPERATOR, ADMIN_PAGES)):
            client = Client()
            client.force_login(User.objects.get(email=email))
            for address in addresses:
                response = client.get(address)
                assert response.status_code == 200, (address, response.status_code)
                content = response.getvalue()
                text = PASSING.sub("", content.decode())
                found[address] = hashlib.sha256(text.encode()).hexdigest()
    return found


def state() -> dict[str, object]:
    """What a backup leaves out, and what needs the keys."""
    file_import = FileImport.objects.get(is_command=False)
    return {
        "parts": file_import.parts.count(),
        "file_deleted": file_import.file_deleted_at is not None,
        "said": file_import.said,
        "is_seed_kept": Authenticator.objects.filter(type="totp").count(),
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["fill", folder]:
            fill(Path(folder))
        case ["pages"]:
            print(json.dumps({"pages": pages(), "state": state()}))
