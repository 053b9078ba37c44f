"""Importing calls in a real browser: drop, map, try, import, take back; with a real worker."""

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Locator, Page, Route, expect

from billing.models import Account, Balance, User
from calls.imports import machine, slices, steps, uploads
from calls.models import Call, FileImport, ImportState
from tests.accessibility import bring_axe, faults_of
from tests.browser.conftest import Open
from tests.conftest import PATIENCE_MS
from tests.dashboard.imports.conftest import imported, tried, uploaded, worked

pytestmark = pytest.mark.browser

CALL_CENTRE = """\
Report of the week
Conversation;Date;Time;Agent name;Answered (Y/N);Wait (s);Talk time;Topic
K-881;20/11/2026;2:05:09 PM;Meera;Y;12;00:03:20;Delivery
K-882;20/11/2026;2:07:00 PM;;N;45;;Refund
K-883;21/11/2026;12:00:30 AM;Farid;Y;3;01:00:00;Delivery
"""


def own_calls(number: int, first: int = 0) -> bytes:
    """A file in the product's own notation with so many calls of yesterday, each of 60 s."""
    began = timezone.now().replace(microsecond=0) - timedelta(days=1)
    lines = ["call_id,usage_type,status,started_at,connected_at,ended_at,agent,from,to"]
    for n in range(first, first + number):
        at = began - timedelta(seconds=n)
        times = ",".join((at + timedelta(seconds=more)).isoformat() for more in (0, 5, 65))
        lines.append(f"own-{n:06d},outbound,completed,{times},Meera,+912240001122,+9198{n:08d}")
    return "\n".join([*lines, ""]).encode()


def credits_of(account: Account) -> int:
    return Balance.objects.get(account=account).credits


def latest() -> FileImport:
    return FileImport.objects.latest("pk")


def choose(page: Page, account: Account, content: bytes, name: str = "calls.csv") -> None:
    """From the list of imports to the page of the file that was uploaded."""
    page.goto(reverse("dashboard:imports", args=[account.slug]))
    page.get_by_role("link", name="Import calls").first.click()
    page.locator("form[data-ready]").wait_for()
    file: Any = {"name": name, "mimeType": "text/csv", "buffer": content}
    page.get_by_label("Drop a file here, or choose one").set_input_files(file)
    page.wait_for_url("**/calls/imports/*-*/")


def heading(page: Page, words: str) -> None:
    expect(page.locator("#face-title")).to_have_text(words)


@pytest.fixture
def by_hand() -> Iterator[Callable[[FileImport], FileImport]]:
    """Keep the worker that other tests started away from an import: this test does its work."""
    with ExitStack() as held:

        def keep(file_import: FileImport) -> FileImport:
            lock = machine.alone(machine.lock_of_import(file_import.pk))
            assert held.enter_context(lock)
            return file_import

        yield keep


@pytest.fixture
def one_batch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], bool]:
    """A worker that does one batch of 100 calls each time that it is called."""
    monkeypatch.setattr(slices, "BATCH_SIZE", 100)
    monkeypatch.setattr(slices, "SLICE", timedelta(0))

    def work() -> bool:
        return steps.work(import_id=latest().pk, clock=timezone.now)

    return work


# ── Known without a question ──────────────────────────────────────────────────────────────────
@pytest.mark.broker
def test_a_known_file_takes_two_buttons_and_is_taken_back(
    open_page: Open, company: Account, owner: User, celery_worker: object
) -> None:
    page = open_page(user=owner)
    before = credits_of(company)
    choose(page, company, own_calls(30))
    heading(page, "Ready to be tried")
    expect(page.locator(".sample tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Try it").click()
    heading(page, "Tried: nothing is recorded yet")
    expect(page.locator(".face-sentence")).to_have_text(
        "Importing it would record 30 calls, for 60 credits."
    )
    assert credits_of(company) == before

    page.get_by_role("button", name="Import 30 calls").click()
    heading(page, "Imported")
    expect(page.locator(".side [data-live-balance]")).to_have_text(f"{before - 60:,}")
    page.get_by_role("link", name="See these calls").click()
    expect(page.locator(".log-count")).to_have_text("1–10 of 30")

    page.go_back()
    page.get_by_role("link", name="Take back…").click()
    expect(page.get_by_role("main")).to_contain_text("30 calls that it recorded will be withdrawn")
    page.get_by_role("button", name="Take back this import").click()
    heading(page, "Taken back")
    expect(page.locator(".side [data-live-balance]")).to_have_text(f"{before:,}")
    assert latest().state == ImportState.WITHDRAWN


# ── Never seen before ─────────────────────────────────────────────────────────────────────────
@pytest.mark.broker
def test_a_file_never_seen_before_is_mapped_imported_taken_back_and_mapped_anew(
    open_page: Open, company: Account, owner: User, celery_worker: object
) -> None:
    page = open_page(user=owner)
    choose(page, company, CALL_CENTRE.encode(), "call-centre.csv")
    heading(page, "One thing to answer first")
    page.get_by_label("Received (inbound)").check()
    page.get_by_role("button", name="Use this answer").click()
    heading(page, "Ready to be tried")
    expect(page.locator(".sample tbody tr").first).to_contain_text("20 Nov 2026, 14:05:09")

    page.get_by_role("link", name="Change which column is what").first.click()
    effect = page.locator("#effect")
    expect(effect).to_contain_text("3 of the first 3 lines are calls")
    page.locator("#id_started_at-form").focus()
    page.locator("#id_started_at-form").select_option("mdy")
    expect(effect).to_contain_text("0 of the first 3 lines are calls")
    expect(page.locator("#id_started_at-form")).to_be_focused()
    page.locator("#id_started_at-form").select_option("dmy")
    expect(effect).to_contain_text("3 of the first 3 lines are calls")
    page.get_by_label("Keep this under a name").fill("Our call centre")
    page.get_by_role("button", name="Use this").click()

    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Import 3 calls").click()
    heading(page, "Imported")
    talked = {call.call_id: call.billable_seconds for call in Call.objects.filter(agent="Farid")}
    assert talked == {"K-883": 3603}

    page.get_by_role("link", name="Take back…").click()
    page.get_by_role("button", name="Take back this import").click()
    heading(page, "Taken back")
    page.get_by_role("button", name="Import this file again").click()
    heading(page, "Ready to be tried")
    page.get_by_role("link", name="Change which column is what").first.click()
    page.locator("#id_usage_type-otherwise").select_option("outbound")
    expect(effect.locator("tbody")).to_contain_text("Outbound")
    page.get_by_role("button", name="Use this").click()
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Import 3 calls").click()
    heading(page, "Imported")
    assert Call.objects.get(call_id="K-883").billable_seconds == 3600

    # The next file of the same kind is known.
    more = CALL_CENTRE.replace("K-88", "K-99")
    choose(page, company, more.encode(), "call-centre-2.csv")
    heading(page, "Ready to be tried")
    expect(page.get_by_role("main")).to_contain_text("Our call centre")


# ── The upload ────────────────────────────────────────────────────────────────────────────────
def test_a_dropped_file_is_uploaded(open_page: Open, company: Account, owner: User) -> None:
    page = open_page(user=owner)
    page.goto(reverse("dashboard:import_new", args=[company.slug]))
    page.evaluate(
        """content => {
          const bytes = Uint8Array.from(atob(content), each => each.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "dropped.csv", {type: "text/csv"}));
          const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
          document.querySelector("main").dispatchEvent(new DragEvent("drop", options));
        }""",
        base64.b64encode(own_calls(3)).decode(),
    )
    page.wait_for_url("**/calls/imports/*-*/")
    assert latest().file_name == "dropped.csv"


def test_a_lost_connection_costs_one_part(
    page: Page, sign_in: Callable[[User], None], company: Account, owner: User
) -> None:
    sign_in(owner)
    lost: list[str] = []

    def lose(route: Route) -> None:
        address = route.request.url
        if address.endswith("/parts/1/") and len(lost) < 2:
            lost.append(address)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/parts/*/", lose)
    sent: list[str] = []
    page.on("requestfinished", lambda each: sent.append(each.url.rpartition("/parts/")[2]))
    content = own_calls(15_000)
    choose(page, company, content)
    assert len(lost) == 2
    count = -(-len(content) // uploads.PART_BYTES)
    assert count >= 3
    parts = [each for each in sent if each.removesuffix("/").isdigit()]
    assert sorted(parts) == sorted(f"{number}/" for number in range(count))
    assert latest().size == len(content)


def test_an_upload_goes_on_after_a_reload_with_what_is_missing(
    page: Page, sign_in: Callable[[User], None], company: Account, owner: User, tmp_path: Path
) -> None:
    sign_in(owner)
    file = tmp_path / "large.csv"
    file.write_bytes(own_calls(15_000))
    page.route("**/parts/2/", lambda route: route.abort("connectionreset"))
    page.goto(reverse("dashboard:import_new", args=[company.slug]))
    page.locator("form[data-ready]").wait_for()
    with page.expect_response("**/parts/0/"), page.expect_response("**/parts/1/"):
        page.get_by_label("Drop a file here, or choose one").set_input_files(file)
    expect(page.get_by_text("The connection is lost.").first).to_be_visible()
    there = set(latest().parts.values_list("number", flat=True))
    assert there
    assert 2 not in there

    page.unroute("**/parts/2/")
    page.reload()
    sent: list[str] = []
    page.on("request", lambda each: sent.append(each.url) if each.method == "PUT" else None)
    page.get_by_label("Drop a file here, or choose one").set_input_files(file)
    page.wait_for_url("**/calls/imports/*-*/")
    again = {int(address.rstrip("/").rpartition("/")[2]) for address in sent}
    assert 2 in again
    assert not again & there
    assert FileImport.objects.count() == 1


def test_a_stopped_upload_leaves_nothing_behind(
    page: Page, sign_in: Callable[[User], None], company: Account, owner: User
) -> None:
    sign_in(owner)
    page.route("**/parts/1/", lambda route: route.abort("connectionreset"))
    page.goto(reverse("dashboard:import_new", args=[company.slug]))
    content: Any = {"name": "a.csv", "mimeType": "text/csv", "buffer": own_calls(15_000)}
    page.get_by_label("Drop a file here, or choose one").set_input_files(content)
    with page.expect_response("**/stop/"):
        page.get_by_role("button", name="Stop the upload").click()
    expect(page.get_by_label("Drop a file here, or choose one")).to_be_focused()
    assert latest().parts.count() == 0


@pytest.mark.broker
def test_it_works_without_scripts(
    open_page: Open, company: Account, owner: User, celery_worker: object
) -> None:
    page = open_page(user=owner, java_script_enabled=False)
    page.goto(reverse("dashboard:import_new", args=[company.slug]))
    content: Any = {"name": "a.csv", "mimeType": "text/csv", "buffer": own_calls(3)}
    page.get_by_label("Drop a file here, or choose one").set_input_files(content)
    page.get_by_role("button", name="Upload this file").click()
    page.get_by_role("button", name="Try it").click()  # the page loads itself again meanwhile
    impatiently(page, page.get_by_role("button", name="Import 3 calls")).click()
    impatiently(page, page.get_by_role("link", name="Take back…")).click()
    page.get_by_role("button", name="Take back this import").click()
    impatiently(page, page.get_by_text("Taken back", exact=True).first)


def impatiently(page: Page, awaited: Locator) -> Locator:
    """Load the page again until what is ``awaited`` is there, without the seconds that it waits."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not awaited.count():
        assert time.monotonic() < deadline, page.content()
        page.reload()
    return awaited


# ── While it moves ────────────────────────────────────────────────────────────────────────────
def test_progress_survives_a_reload_a_stop_and_going_on(
    open_page: Open,
    company: Account,
    owner: User,
    one_batch: Callable[[], bool],
    by_hand: Callable[[FileImport], FileImport],
) -> None:
    page = open_page(user=owner)
    file_import = by_hand(tried(company, own_calls(250)))
    before = credits_of(company)
    page.goto(reverse("dashboard:import_page", args=[company.slug, file_import.public_id]))
    page.get_by_role("button", name="Import 250 calls").click()
    heading(page, "Importing")
    one_batch()
    words = page.locator("#progress .upload-words")
    expect(words).to_have_text("100 of 250 lines recorded")
    page.reload()
    expect(words).to_have_text("100 of 250 lines recorded")
    page.get_by_role("button", name="Stop", exact=True).click()
    heading(page, "Stopped")
    expect(page.get_by_role("main")).to_contain_text("150 lines are left.")
    page.get_by_role("button", name="Go on").click()
    heading(page, "Importing")
    while one_batch():
        pass
    heading(page, "Imported")  # by itself
    assert credits_of(company) == before - 500
    expect(page.locator("#import-said")).to_contain_text("Imported. 250 calls recorded")


def test_the_list_shows_how_an_import_gets_on(
    open_page: Open,
    company: Account,
    owner: User,
    one_batch: Callable[[], bool],
    by_hand: Callable[[FileImport], FileImport],
) -> None:
    page = open_page(user=owner)
    file_import = by_hand(tried(company, own_calls(150)))
    steps.start(file_import=file_import, by=owner, now=timezone.now())
    page.goto(reverse("dashboard:imports", args=[company.slug]))
    row = page.locator(".imports tbody tr").first
    expect(row).to_contain_text("Importing")
    while one_batch():
        pass
    expect(row).to_contain_text("150 calls recorded, for 300 credits.")


# ── Keyboard alone ────────────────────────────────────────────────────────────────────────────
def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, as somebody without a mouse does."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} can't be reached by keyboard")


@pytest.mark.broker
def test_a_keyboard_alone_imports_and_takes_back(
    open_page: Open, company: Account, owner: User, celery_worker: object
) -> None:
    page = open_page(user=owner)
    # With the first listener the browser begins to hand choosers over, a moment later.
    page.on("filechooser", lambda _: None)
    page.goto(reverse("dashboard:imports", args=[company.slug]))
    tab_to(page, "main a[href$='/imports/new/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/imports/new/")
    page.locator("form[data-ready]").wait_for()
    tab_to(page, "#file")
    content: Any = {"name": "keys.csv", "mimeType": "text/csv", "buffer": own_calls(5)}
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(content)
    page.wait_for_url("**/calls/imports/*-*/")
    for value, title in (
        ("try", "Tried: nothing is recorded yet"),
        ("import", "Imported"),
    ):
        expect(page.locator(f"button[value={value}]")).to_be_visible()
        tab_to(page, f"button[value={value}]")
        page.keyboard.press("Enter")
        heading(page, title)
    tab_to(page, "a[href$='/take-back/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/take-back/")
    tab_to(page, ".button-danger")
    page.keyboard.press("Enter")
    heading(page, "Taken back")
    assert Call.objects.filter(call_id__startswith="own-", withdrawn_at=None).count() == 0


# ── Every state ───────────────────────────────────────────────────────────────────────────────
def every_state(
    account: Account, owner: User, by_hand: Callable[[FileImport], FileImport]
) -> Iterator[tuple[str, str]]:
    """The pages of imports in each state, in the order in which they come."""

    def address(file_import: FileImport, name: str = "import_page") -> str:
        return reverse(f"dashboard:{name}", args=[account.slug, file_import.public_id])

    now = timezone.now()
    listed = reverse("dashboard:imports", args=[account.slug])
    yield "empty", listed
    yield "choose", reverse("dashboard:import_new", args=[account.slug])
    long = "export-of-all-calls-of-the-last-quarter-of-every-office-in-the-world" * 3 + ".csv"
    yield (
        "uploading",
        address(uploads.begin(account=account, by=owner, file_name=long, size=9_000_000, now=now)),
    )
    bad = b"own-x,sideways,completed,2026-13-40T09:30:00,,,,,\n" * 2
    known = by_hand(uploaded(account, own_calls(12) + bad, by=owner))
    yield "ready", address(known)
    unknown = uploaded(account, CALL_CENTRE.encode(), by=owner, name="call-centre.csv")
    yield "question", address(unknown)
    yield "mapping", address(unknown, "import_mapping")
    yield "refused", address(uploaded(account, b"\n", by=owner, name="empty.csv"))
    steps.start_trial(file_import=known, by=owner, now=now)
    yield "trying", address(known)
    worked(known)
    yield "tried", address(known)
    steps.start(file_import=known, by=owner, now=now)
    yield "importing", address(known)
    steps.stop(file_import=known, by=owner, now=now)
    yield "stopped", address(known)
    steps.go_on(file_import=known, by=owner, now=now)
    worked(known)
    yield "done", address(known)
    yield "take-back", address(known, "import_take_back")
    steps.withdraw(file_import=known, by=owner, now=now)
    worked(known)
    yield "withdrawn", address(known)
    failed = imported(account, own_calls(2, first=50), by=owner)
    FileImport.objects.filter(pk=failed.pk).update(
        state=ImportState.FAILED, interrupted_state=ImportState.IMPORTING, said="It went wrong."
    )
    yield "failed", address(failed)
    yield "list", listed


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_every_state_is_readable_and_fits(
    open_page: Open,
    company: Account,
    owner: User,
    theme: str,
    width: int,
    by_hand: Callable[[FileImport], FileImport],
) -> None:
    page = open_page(user=owner, color_scheme=theme, viewport={"width": width, "height": 900})
    bring_axe(page)
    faults = {}
    for name, path in every_state(company, owner, by_hand):
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
        results = faults_of(page)
        if results.violations_count:
            faults[name] = results.generate_report()
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults[f"{name} is too wide"] = path
    assert faults == {}


@pytest.mark.broker
def test_an_operator_imports_for_an_account_from_the_admin(
    open_page: Open, company: Account, operator: User, celery_worker: object
) -> None:
    page = open_page(user=operator)
    page.goto(reverse("admin:billing_account_change", args=[company.pk]))
    page.get_by_role("link", name="Import calls from a file").click()
    expect(page.get_by_role("heading", level=1, name="Import")).to_be_visible()
    choose(page, company, own_calls(2))
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("button", name="Import 2 calls").click()
    heading(page, "Imported")
    assert latest().started_by == operator
    page.get_by_role("link", name="Operations").first.click()
    page.wait_for_url("**/admin/")
