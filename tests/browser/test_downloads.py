"""A long list is downloaded: asked for, waited for, saved as a plain CSV."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.models import Account, User
from calls.exports import making
from calls.models import Export
from calls.usage import export as streaming
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from dashboard.exports import download
from tests.browser.conftest import Open

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1440, 390])
def test_a_long_list_is_made_into_a_file_and_saved(
    open_page: Open,
    company: Account,
    owner: User,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    Export.objects.all().delete()
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 100)
    monkeypatch.setattr(streaming, "ROWS_PER_READ", 50)
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    page = open_page(user=owner, viewport={"width": width, "height": 900})
    page.goto(f"/a/{company.slug}/billing/usage/?period=last_30_days")
    page.get_by_role("button", name="rows as CSV").click()
    expect(page.get_by_role("heading", name="Your file is being made")).to_be_visible()
    assert making.work(clock=timezone.now)
    expect(page.get_by_text("50 of ")).to_be_visible()
    page.reload()
    expect(page.get_by_text("50 of ")).to_be_visible()
    while making.work(clock=timezone.now):
        pass
    # By itself, without loading the page again.
    expect(page.get_by_role("heading", name="Your file is ready")).to_be_visible()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Download", exact=True).click()
    saving.value.save_as(tmp_path / "saved.csv")
    today = timezone.now().astimezone(company.zone).date()
    period = Period(Preset.CUSTOM, today - timedelta(days=29), today, company.zone)
    at_once = streaming.export_csv(account=company, period=period, filters=UsageFilters())
    assert (tmp_path / "saved.csv").read_bytes().decode() == "".join(at_once)
    assert saving.value.suggested_filename.endswith(".csv")
    page.goto(f"/a/{company.slug}/")
    expect(page.get_by_text("Your file is ready.")).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Your file is ready.")).to_be_hidden()
    assert page.url.endswith(f"/a/{company.slug}/")
