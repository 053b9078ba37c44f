"""Downloads of all accounts, as operators see them."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, User
from calls.exports import keeping
from calls.models import Export, ExportState
from tests.calls.exports.exporting import asked, now_of, text_of, worked
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW

LIST = reverse("admin:calls_export_changelist")


@pytest.fixture
def export(account: Account, member: User) -> Export:
    """A file that is ready."""
    insert_calls(account, 12, last_at=NOW, days=4)
    return worked(asked(account, member, kind="call"), now=timezone.now())


def action(export: Export, name: str) -> str:
    return reverse(f"admin:calls_export_{name}", args=[export.pk])


def test_operators_see_how_the_downloads_of_all_accounts_stand(
    staff: Client, export: Export
) -> None:
    for address in (LIST, action(export, "change")):
        page = staff.get(address).text
        assert "17–23 November 2026" in page
        assert "member@example.com" in page
        assert "Ready" in page
    assert "Kind of row: Call" in page


def test_a_download_is_only_read_in_the_admin_and_its_file_not_at_all(
    staff: Client, export: Export
) -> None:
    assert staff.post(action(export, "change"), {"rows": "1"}).status_code == 403
    assert staff.get(reverse("admin:calls_export_add")).status_code == 403
    assert staff.get(action(export, "delete")).status_code == 403
    own = reverse("dashboard:export_file", args=[export.account.slug, export.public_id])
    assert staff.get(own).status_code == 404


def test_an_operator_has_a_file_made_again(staff: Client, export: Export) -> None:
    before = text_of(export)
    page = staff.get(action(export, "make_again")).text
    assert "Acme Voice · 17–23 November 2026 · 12 rows · member@example.com" in page
    assert (
        "The file is being made again."
        in staff.post(action(export, "make_again"), follow=True).text
    )
    assert now_of(export).state == ExportState.MAKING
    assert text_of(worked(export)) == before


def test_an_operator_deletes_a_file(staff: Client, export: Export) -> None:
    page = staff.post(action(export, "delete_file"), follow=True)
    assert page.redirect_chain == [(LIST, 302)]
    assert "The download is deleted." in page.text
    keeping.delete_old(now=NOW)
    assert not Export.objects.exists()


def test_without_its_person_a_file_is_not_made_again(staff: Client, export: Export) -> None:
    Export.objects.update(asked_by=None)
    page = staff.post(action(export, "make_again"), follow=True).text
    assert "does not exist any more" in page
