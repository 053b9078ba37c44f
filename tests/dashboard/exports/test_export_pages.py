"""Downloads: from the button of the usage page to the file, and whose they are."""

import gzip
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing.models import Account, Role, User
from calls.exports import asking, keeping, limits, making, telling
from calls.models import Export, ExportPart, ExportState
from calls.usage import export as streaming
from dashboard.exports import download
from dashboard.mail import exports as mails
from tests.calls.exports.exporting import asked, now_of, worked
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, goodwill, post
from tests.dashboard.imports.conftest import imported, own_csv
from tests.factories import MembershipFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

USAGE = "/a/acme/billing/usage/"
EXPORTS = f"{USAGE}exports/"
DAYS = "period=custom&from=2026-11-17&to=2026-11-23"
DAY = timedelta(days=1)


@pytest.fixture
def visitor(client: Client, member: User) -> Client:
    client.force_login(member)
    return client


@pytest.fixture
def long(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account with 30 calls, where more than 20 are a long file."""
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 20)
    monkeypatch.setattr(streaming, "ROWS_PER_READ", 7)
    insert_calls(account, 30, last_at=NOW, days=5)
    return account


def pressed(visitor: Client, query: str = "") -> str:
    """The address to which the button of the usage page sends."""
    page = visitor.get(f"{USAGE}?{query}").text
    found = re.search(r'method="post" action="([^"]*exports/new/[^"]*)"', page)
    assert found is not None
    return found[1].replace("&amp;", "&")


def begun(visitor: Client, query: str = "") -> Export:
    response = visitor.post(pressed(visitor, query))
    export = Export.objects.latest("pk")
    assert response["Location"] == f"{EXPORTS}{export.public_id}/"
    return export


def ready(visitor: Client) -> Export:
    return worked(begun(visitor))


def page_of(export: Export) -> str:
    return f"{EXPORTS}{export.public_id}/"


# ── Asking ────────────────────────────────────────────────────────────────────────────────────
def test_a_short_list_is_sent_at_once(visitor: Client, account: Account) -> None:
    insert_calls(account, 12, last_at=NOW, days=5)
    page = visitor.get(USAGE).text
    assert f'href="{USAGE}export.csv?{DAYS.replace("&", "&amp;")}&amp;as_of=12-' in page
    assert "Download 12 rows as CSV" in page
    assert "Your downloads" not in page
    assert not visitor.get(f"{USAGE}export.csv?{DAYS}")["Content-Type"].startswith("text/html")


def test_a_long_list_is_made_into_a_file(visitor: Client, long: Account) -> None:
    page = visitor.get(USAGE).text
    assert "Download 30 rows as CSV" in page
    assert "Your downloads" in page
    assert pressed(visitor) == f"{EXPORTS}new/?{DAYS}&seq=30"
    export = begun(visitor)
    assert (export.state, export.last_seq, export.rows_expected) == (ExportState.MAKING, 30, 30)
    page = visitor.get(page_of(export)).text
    assert "Your file is being made" in page
    assert "Waiting for its turn" in page
    assert "Cancel" in page


def test_the_file_has_the_filters_of_the_page(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 2)
    address = re.search(
        r'action="([^"]*exports/new/[^"]*)"',
        visitor.get(f"{USAGE}?usage_type=inbound&agent=Asha&kind=call").text,
    )
    assert address is not None
    visitor.post(address[1].replace("&amp;", "&"))
    export = worked(Export.objects.get())
    assert (export.usage_type, export.agent, export.kind) == ("inbound", "Asha", "call")
    text = visitor.get(f"{page_of(export)}").text
    assert "Usage type: Inbound" in text
    own = visitor.get(f"{page_of(export)}file.csv").getvalue().decode()
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 1_000)
    at_once = visitor.get(f"{USAGE}export.csv?{DAYS}&usage_type=inbound&agent=Asha&kind=call")
    assert own == at_once.getvalue().decode()


def test_the_file_of_calls_without_an_agent_says_so(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 2)
    begun(visitor, "agent=+none")
    export = worked(Export.objects.get())
    assert export.rows == 9
    page = visitor.get(page_of(export)).text
    assert "No agent named" in page


def test_the_old_address_of_a_long_file_leads_to_where_it_is_made(
    visitor: Client, long: Account
) -> None:
    response = visitor.get(f"{USAGE}export.csv", follow=True)
    assert response.redirect_chain == [(f"{EXPORTS}new/?{DAYS}&seq=30", 302)]
    assert "Make the file" in response.text
    assert not Export.objects.exists()


def test_a_search_is_always_sent_at_once(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.get(f"{USAGE}?call_id=call-0000000").text
    assert f"export.csv?{DAYS.replace('&', '&amp;')}&amp;call_id=call-0000000" in page
    assert visitor.post(f"{EXPORTS}new/?{DAYS}&call_id=call-00")["Location"].startswith(
        f"{USAGE}export.csv?"
    )
    assert not Export.objects.exists()


def test_pressed_twice_one_file_is_made(visitor: Client, long: Account) -> None:
    address = pressed(visitor)
    first, second = visitor.post(address), visitor.post(address)
    assert first["Location"] == second["Location"]
    assert Export.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("period=custom&from=nonsense&to=2026-11-23", 422, "could not be read"),
        (f"{DAYS}&kind=nonsense", 422, "could not be read"),
        ("period=custom&from=2020-01-01&to=2020-01-02", 409, "There are no rows"),
        (f"{DAYS}&seq=x", 302, ""),
        (f"{DAYS}&seq={'9' * 40}", 302, ""),
    ],
)
def test_what_can_not_be_made_is_said(
    visitor: Client, long: Account, query: str, status: int, said: str
) -> None:
    response = visitor.post(f"{EXPORTS}new/?{query}")
    assert response.status_code == status
    assert said in response.content.decode()
    assert Export.objects.count() == (status == 302)


def test_too_many_files_are_refused_with_what_to_do(
    visitor: Client, member: User, long: Account
) -> None:
    for number in range(limits.OPEN_OF_PERSON_MAX):
        asked(long, member, last_seq=number + 5)
    response = visitor.post(pressed(visitor))
    assert response.status_code == 409
    assert "You have 5 files here already. Wait until one is done" in response.text


# ── Its page ──────────────────────────────────────────────────────────────────────────────────
def test_a_page_that_looks_again_gets_how_far_it_is_and_then_all(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    export = begun(visitor)
    making.work(clock=lambda: NOW)
    again = visitor.get(f"{page_of(export)}?shown=making", headers={"HX-Request": "true"})
    assert "7 of 30 rows" in again.text
    assert "<h2" not in again.text
    worked(export)
    news = visitor.get(f"{page_of(export)}?shown=making", headers={"HX-Request": "true"})
    assert news["HX-Retarget"] == "#export"
    assert "Your file is ready" in news.text


def test_a_ready_file_says_how_large_it_is_and_until_when(visitor: Client, long: Account) -> None:
    export = ready(visitor)
    page = visitor.get(page_of(export)).text
    assert "30 rows" in page
    assert "24 Nov 2026, 18:00" in page
    assert f'href="{page_of(export)}file.csv"' in page


def test_cancel_make_again_and_delete(visitor: Client, long: Account) -> None:
    export = begun(visitor)
    page = visitor.post(page_of(export), {"do": "cancel"}, follow=True).text
    assert "Cancelled" in page
    page = visitor.post(page_of(export), {"do": "again"}, follow=True).text
    assert "Your file is being made" in page
    worked(export)
    response = visitor.post(page_of(export), {"do": "delete"})
    assert response["Location"] == EXPORTS
    assert visitor.get(page_of(export)).status_code == 404
    assert visitor.get(f"{page_of(export)}file.csv").status_code == 404


def test_a_failure_says_why_and_offers_to_try_again(visitor: Client, long: Account) -> None:
    export = begun(visitor)
    Export.objects.update(failures=making.FAILURES_MAX, moved_at=NOW - DAY, said=making.NO_ROOM)
    making.work(clock=lambda: NOW)
    page = visitor.get(page_of(export)).text
    assert making.NO_ROOM in page
    assert "Try again" in page
    visitor.post(page_of(export), {"do": "again"})
    assert worked(export).state == ExportState.READY


def test_after_a_day_the_page_says_so_and_offers_it_again(visitor: Client, long: Account) -> None:
    export = ready(visitor)
    keeping.delete_old(now=NOW + DAY)
    response = visitor.get(f"{page_of(export)}file.csv", follow=True)
    assert "The file has been deleted" in response.text
    assert "Make it again" in response.text


def test_a_file_that_a_backup_did_not_have_is_said_to_be_lost_and_made_again(
    visitor: Client, long: Account
) -> None:
    export = ready(visitor)
    ExportPart.objects.all().delete()
    response = visitor.get(f"{page_of(export)}file.csv", follow=True)
    assert "it was not part of a backup" in response.text
    visitor.post(page_of(export), {"do": "again"})
    worked(export)
    assert visitor.get(f"{page_of(export)}file.csv").status_code == 200


def test_the_list_shows_ones_own(
    visitor: Client, long: Account, member: User, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Nothing here" in visitor.get(EXPORTS).text
    mine, others = ready(visitor), asked(long, owner)
    moving = asked(long, member, kind="call")
    page = visitor.get(EXPORTS).text
    assert f'href="{page_of(mine)}"' in page
    assert f'href="{page_of(moving)}"' in page
    assert page_of(others) not in page
    assert 'hx-trigger="every 3s"' in page


def test_the_calls_of_an_import_are_named_by_its_file(
    client: Client, admin: User, account: Account, professional: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 1)
    client.force_login(admin)
    file_import = imported(account, own_csv("c1", "c2", "c3"))
    query = f"period=custom&from=2026-11-01&to=2026-11-23&import={file_import.public_id}"
    response = client.post(f"{EXPORTS}new/?{query}")
    export = worked(Export.objects.get())
    assert (export.rows, export.import_id) == (3, file_import.pk)
    assert "Import: calls.csv" in client.get(response["Location"]).text


# ── The file ──────────────────────────────────────────────────────────────────────────────────
def test_the_file_is_sent_as_it_would_have_been_at_once(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ready(visitor)
    sent = visitor.get(f"{page_of(export)}file.csv")
    monkeypatch.setattr(download, "STREAMED_ROWS_MAX", 1_000)
    at_once = visitor.get(f"{USAGE}export.csv?{DAYS}")
    body = sent.getvalue()
    assert body == at_once.getvalue()
    for header in ("Content-Type", "Content-Disposition"):
        assert sent[header] == at_once[header]
    assert int(sent["Content-Length"]) == len(body)
    assert sent["Cache-Control"] == "no-store"
    assert "Accept-Encoding" in sent["Vary"]


def test_who_reads_gzip_gets_it_compressed_by_lengths_that_tell_nothing(
    visitor: Client, long: Account
) -> None:
    export = ready(visitor)
    lengths, texts = set(), set()
    for _ in range(12):
        sent = visitor.get(f"{page_of(export)}file.csv", headers={"Accept-Encoding": "br, gzip"})
        body = sent.getvalue()
        assert sent["Content-Encoding"] == "gzip"
        assert int(sent["Content-Length"]) == len(body)
        assert (
            'filename="call-usage-acme-2026-11-17-to-2026-11-23.csv"' in sent["Content-Disposition"]
        )
        lengths.add(len(body))
        texts.add(gzip.decompress(body))
    assert len(lengths) > 1
    assert len(texts) == 1


def test_only_who_asked_may_have_it(
    client: Client,
    member: User,
    owner: User,
    outsider: User,
    operator: User,
    other_account: Account,
    long: Account,
) -> None:
    export = worked(asked(long, member))
    MembershipFactory(user=member, account=other_account, role=Role.MEMBER)
    elsewhere = page_of(export).replace("acme", "other")
    for person in (owner, outsider, operator, member):
        client.force_login(person)
        for address in (page_of(export), f"{page_of(export)}file.csv"):
            assert client.get(address).status_code == (200 if person is member else 404)
            assert client.get(address.replace("acme", "other")).status_code == 404
        if person is not member:
            assert client.post(page_of(export), {"do": "delete"}).status_code == 404
    assert client.post(elsewhere, {"do": "delete"}).status_code == 404
    member.memberships.filter(account=long).delete()
    assert client.get(f"{page_of(export)}file.csv").status_code == 404


# ── Being told ────────────────────────────────────────────────────────────────────────────────
def test_every_page_says_that_a_file_is_ready_until_one_has_said_so(
    visitor: Client, client: Client, owner: User, long: Account
) -> None:
    export = ready(visitor)
    page = visitor.get("/a/acme/").text
    assert "Your file is ready" in page
    assert f'action="{page_of(export)}"' in page
    assert "Go to the file" not in visitor.get(EXPORTS).text
    response = visitor.post(page_of(export), {"do": "seen", "next": "/a/acme/"})
    assert response["Location"] == "/a/acme/"
    assert "Your file is ready" not in visitor.get("/a/acme/").text
    elsewhere = visitor.post(page_of(export), {"do": "seen", "next": "https://evil.example/"})
    assert elsewhere["Location"] == page_of(export)


def test_nobody_else_is_told(visitor: Client, owner: User, long: Account) -> None:
    ready(visitor)
    visitor.force_login(owner)
    assert "Your file is ready" not in visitor.get("/a/acme/").text


def told(now: Any = NOW) -> int:
    return sum(mails.send(export_id=pk, now=now) for pk in telling.untold(now=now))


def test_a_mail_tells_of_the_file_once(visitor: Client, long: Account, settings: Any) -> None:
    settings.SITE_URL = "https://calls.example"
    export = begun(visitor)
    assert told() == 0
    worked(export)
    assert (told(), told(), told(NOW + timedelta(hours=2))) == (1, 0, 0)
    (message,) = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert message.to == ["member@example.com"]
    assert message.subject == "Your file of 30 rows is ready"
    for body in (str(message.body), str(message.alternatives[0][0])):
        assert f"https://calls.example{page_of(export)}" in body
        assert "24 Nov 2026, 18:00 Asia/Kolkata" in body
        assert "17–23 November 2026" in body
        assert "because you asked for the file" in body
        assert "Superadmin" not in body


def test_a_mail_tells_of_a_failure(visitor: Client, long: Account) -> None:
    begun(visitor)
    Export.objects.update(failures=making.FAILURES_MAX, moved_at=NOW - DAY)
    making.work(clock=lambda: NOW)
    assert told() == 1
    assert mail.outbox[0].subject == "Your file of 30 rows could not be made"
    assert making.FAILED in str(mail.outbox[0].body)


@pytest.mark.parametrize("why", ["seen", "left", "gone", "cancelled"])
def test_nobody_is_mailed_who_need_not_be(
    visitor: Client, member: User, long: Account, why: str
) -> None:
    export = ready(visitor)
    match why:
        case "seen":
            asking.note_seen(export=export, now=NOW)
        case "left":
            member.memberships.all().delete()
        case "gone":
            keeping.delete_old(now=NOW + DAY)
        case "cancelled":
            Export.objects.all().delete()
            asking.cancel(export=asked(long, member), now=NOW)
    assert told() == 0
    assert mail.outbox == []


def test_a_mail_server_that_is_away_delays_the_mail(
    visitor: Client, long: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = ready(visitor)

    def refuse(**_: Any) -> Any:
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr(mails, "mail_of", refuse)
        with pytest.raises(ConnectionRefusedError):
            told()
    assert now_of(export).mailed_at is None
    assert told() == 0  # not at once
    assert told(NOW + timedelta(minutes=5)) == 1


def test_the_page_says_what_its_rows_are_of(visitor: Client, account: Account) -> None:
    post(goodwill(account, 1), call(account, "a", 1, NOW))
    assert "Download 2 rows as CSV" in visitor.get(USAGE).text
