"""Calls → Sources: what people see of their sources, and do with them."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from calls.inbox import sources
from calls.inbox.draining import drain
from calls.models import CallSource, EventState, InboxEvent, PullState
from dashboard.mail.tasks import tell_of_silent_sources
from dashboard.sources.reach import address_of, is_private
from tests.calls.inbox.sending import address, report, send_callback, send_report

HTMX = {"HX-Request": "true"}


@pytest.fixture
def manager(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture
def vapi(account):
    return sources.connect(
        account=account, kind="vapi", name="Our Vapi", by=None, now=timezone.now()
    )


def page_of(source):
    return reverse("dashboard:source", args=[source.account.slug, source.public_id])


def press(client, source, do, **more):
    return client.post(page_of(source), {"do": do, **more})


def now():
    return timezone.now()


def drain_all():
    while drain(clock=timezone.now):
        pass


# ── Connecting ────────────────────────────────────────────────────────────────────────────────
def test_an_account_without_sources_is_shown_what_can_be_connected(manager, account):
    page = manager.get(reverse("dashboard:sources", args=[account.slug])).text
    assert "Nothing is connected yet" in page
    assert reverse("dashboard:source_new", args=[account.slug, "vapi"]) in page
    assert reverse("dashboard:source_new", args=[account.slug, "twilio"]) in page


def test_connecting_leads_to_the_address_and_the_secret(manager, account, admin):
    new = reverse("dashboard:source_new", args=[account.slug, "vapi"])
    response = manager.post(new, {"name": "Our Vapi"}, follow=True)
    source = CallSource.objects.get()
    assert (source.created_by, source.position) == (admin, 1)
    assert address_of(source) in response.text
    assert sources.secret_of(source) in response.text
    assert "Waiting for the first event" in response.text
    assert response["Cache-Control"] == "no-store"


def test_the_address_that_is_shown_is_the_one_that_answers(vapi):
    assert address_of(vapi).endswith(address(vapi))


def test_what_is_missing_is_said_beside_its_field(manager, account, vapi):
    new = reverse("dashboard:source_new", args=[account.slug, "twilio"])
    response = manager.post(new, {"name": "Our Vapi"})
    assert response.status_code == 422
    assert "Enter the Account SID." in response.text
    response = manager.post(new, {"name": "Our Vapi", "account_sid": "AC1"})
    assert "Another source has this name." in response.text


def test_a_secret_that_a_platform_makes_can_follow_and_is_never_shown(manager, account):
    new = reverse("dashboard:source_new", args=[account.slug, "twilio"])
    page = manager.post(new, {"name": "Twilio", "account_sid": "AC1"}, follow=True).text
    source = CallSource.objects.get()
    assert "Enter the auth token" in page
    response = press(manager, source, "secret", secret="very-secret-token")
    assert response.status_code == 302
    page = manager.get(page_of(source)).text
    assert "very-secret-token" not in page
    source.refresh_from_db()
    assert sources.secret_of(source) == "very-secret-token"
    assert source.next_pull_at is not None


def test_a_kind_that_does_not_exist_is_not_found(manager, account):
    new = reverse("dashboard:source_new", args=[account.slug, "nothing"])
    assert manager.get(new).status_code == manager.post(new).status_code == 404


# ── How it stands ─────────────────────────────────────────────────────────────────────────────
def test_it_turns_green_by_itself(manager, client, vapi):
    page = manager.get(page_of(vapi))
    shown = page.context["page"].shown
    assert f"?shown={shown}" in page.text
    same = manager.get(f"{page_of(vapi)}?shown={shown}", headers=HTMX)
    assert 'id="state"' in same.text
    assert "<html" not in same.text
    assert "HX-Retarget" not in same
    send_report(client, vapi, report())
    news = manager.get(f"{page_of(vapi)}?shown={shown}", headers=HTMX)
    assert news["HX-Retarget"] == "#source"
    assert "Calls arrive" in news.text
    assert "hx-get" not in news.text


def test_where_the_site_is_private_it_says_that_nobody_can_reach_it(manager, vapi, settings):
    assert "can’t reach this installation" in manager.get(page_of(vapi)).text
    settings.SITE_URL = "https://credits.example.com"
    assert "can’t reach" not in manager.get(page_of(vapi)).text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://10.1.2.3:80", True),
        ("http://[::1]:8000", True),
        ("http://intranet", True),
        ("https://box.local", True),
        ("https://credits.example.com", False),
        ("https://8.8.8.8", False),
    ],
)
def test_which_addresses_are_private(url, expected):
    assert is_private(url) is expected


def test_a_test_event_goes_all_the_way_and_records_nothing(manager, vapi):
    assert press(manager, vapi, "test").status_code == 302
    assert "A test is under way" in manager.get(page_of(vapi)).text
    drain_all()
    page = manager.get(page_of(vapi)).text
    assert "was verified and read; nothing was recorded" in page
    assert "Waiting for the first event" in page  # it is no news of the platform
    event = InboxEvent.objects.get()
    assert (event.state, event.via) == (EventState.IRRELEVANT, "test")


def test_the_example_for_a_terminal_is_a_call_that_is_taken(manager, client, vapi):
    command = manager.get(page_of(vapi)).context["page"].command
    assert command.startswith(f"curl {address_of(vapi)}")
    assert sources.secret_of(vapi) in command


def test_failures_are_shown_with_their_reason_and_tried_again(manager, client, vapi, account):
    send_report(client, vapi, report())
    drain_all()
    page = manager.get(page_of(vapi)).text
    assert "1 event not recorded" in page
    assert "Put it on a plan, then try again." in page
    event = InboxEvent.objects.get()
    press(manager, vapi, "retry", event=event.pk)
    event.refresh_from_db()
    assert event.state == EventState.WAITING


def test_somebody_else_s_event_is_not_tried_again(manager, client, vapi, other_account):
    other = sources.connect(account=other_account, kind="vapi", name="V", by=None, now=now())
    send_report(client, other, report())
    drain_all()
    event = InboxEvent.objects.get()
    press(manager, vapi, "retry", event=event.pk)
    event.refresh_from_db()
    assert event.state == EventState.FAILED
    assert manager.get(page_of(other)).status_code == 404
    own = reverse("dashboard:source", args=[vapi.account.slug, other.public_id])
    assert manager.get(own).status_code == manager.post(own, {"do": "pause"}).status_code == 404


def test_events_are_counted_by_day_on_the_account_s_clock(manager, client, vapi):
    for number in range(3):
        send_report(client, vapi, report(f"v{number}"))
    InboxEvent.objects.filter(call_id="v0").update(received_at=now() - timedelta(days=1))
    days = manager.get(page_of(vapi)).context["page"].days
    assert [day.received for day in days] == [2, 1]
    assert days[0].day - days[1].day == timedelta(days=1)


def test_a_refused_key_is_seen_in_the_list_and_on_the_page(manager, vapi):
    sources.set_api_key(source=vapi, api_key="key", now=now())
    CallSource.objects.update(pull_state=PullState.REFUSED, pull_said="It does not accept the key.")
    assert "Key refused" in manager.get(reverse("dashboard:sources", args=["acme"])).text
    page = manager.get(page_of(vapi)).text
    assert "Vapi does not accept the key" in page
    assert "Was it revoked?" in page


def test_a_key_is_exchanged_before_any_list_was_read(manager, vapi):
    sources.set_api_key(source=vapi, api_key="key", now=now())
    in_vain = {"pull_state": PullState.FAILING, "pull_said": "It answered 500."}
    CallSource.objects.update(last_pull_at=now(), **in_vain)
    sources.set_api_key(source=vapi, api_key="another", now=now())
    page = manager.get(page_of(vapi)).text
    assert "Last asked" in page
    assert "is known" not in page


# ── Changes ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("hours", "is_told"), [(0, False), (20, True)])
def test_a_call_under_way_does_not_look_as_if_newer_ones_were_not_found(
    manager, vapi, hours, is_told
):
    sources.set_api_key(source=vapi, api_key="key", now=now())
    CallSource.objects.update(
        pull_state=PullState.FINE,
        last_pull_at=now(),
        pulled_until=now() - timedelta(hours=hours, seconds=-1),
    )
    page = manager.get(page_of(vapi)).text
    assert "is known" in page
    assert ("and what has ended since" in page) is is_told


def test_a_source_is_renamed_paused_and_let_go_on(manager, vapi):
    press(manager, vapi, "rename", name="Vapi  India")
    press(manager, vapi, "pause")
    vapi.refresh_from_db()
    assert vapi.name == "Vapi India"
    assert "Paused" in manager.get(page_of(vapi)).text
    assert press(manager, vapi, "test").status_code == 409
    press(manager, vapi, "resume")
    vapi.refresh_from_db()
    assert vapi.paused_at is None


def test_a_new_secret_leaves_the_one_before_for_a_day(manager, vapi):
    before = sources.secret_of(vapi)
    press(manager, vapi, "rotate")
    vapi.refresh_from_db()
    assert sources.secret_of(vapi) != before
    assert "The secret before is believed until" in manager.get(page_of(vapi)).text
    assert sources.secrets_of(vapi, now=now() + timedelta(hours=25)) == [sources.secret_of(vapi)]
    press(manager, vapi, "end-previous")
    vapi.refresh_from_db()
    assert sources.secrets_of(vapi, now=now()) == [sources.secret_of(vapi)]


def test_a_source_is_deleted_after_it_was_asked(manager, client, vapi):
    ask = reverse("dashboard:source_delete", args=["acme", vapi.public_id])
    assert "gone for good" in manager.get(ask).text
    manager.post(ask)
    assert manager.get(page_of(vapi)).status_code == 404
    vapi.refresh_from_db()
    assert (vapi.secret, vapi.api_key) == ("", "")
    assert send_report(client, vapi, report(), token="x").status_code == 404


def test_deleting_what_was_deleted_meanwhile_leads_to_the_list(manager, vapi, monkeypatch):
    ask = reverse("dashboard:source_delete", args=["acme", vapi.public_id])
    # Both requests found it before either had deleted it.
    monkeypatch.setattr("dashboard.sources.views.find", lambda request, public_id: vapi)
    for _ in range(2):
        assert manager.post(ask).url == reverse("dashboard:sources", args=["acme"])


@pytest.mark.parametrize("do", ["", "nothing", "retry", "ask", "forget-key", "settings", "key"])
def test_no_button_breaks_the_page(manager, vapi, do):
    assert press(manager, vapi, do).status_code in (200, 302)


@pytest.mark.parametrize("event", ["", "x", "９", "9" * 40])
def test_an_event_that_is_no_number_breaks_nothing(manager, vapi, event):
    assert press(manager, vapi, "retry", event=event).status_code == 302


# ── Silence ───────────────────────────────────────────────────────────────────────────────────
def silent(source, hours):
    CallSource.objects.filter(pk=source.pk).update(last_event_at=now() - timedelta(hours=hours))


def test_those_who_manage_the_account_are_told_of_a_silence_once(manager, vapi, owner, member):
    silent(vapi, 7)
    tell_of_silent_sources()
    tell_of_silent_sources()
    assert sorted(message.to[0] for message in mail.outbox) == sorted(
        [owner.email, "admin@example.com"]
    )
    assert mail.outbox[0].subject == "Call Credits" or "Our Vapi" in mail.outbox[0].subject
    assert page_of(vapi) in mail.outbox[0].body
    assert "Nothing heard for 7 hours" in manager.get(page_of(vapi)).text


def test_a_second_silence_is_told_again(manager, vapi):
    silent(vapi, 30)
    tell_of_silent_sources()
    silent(vapi, 7)
    tell_of_silent_sources()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize("reason", ["never heard", "not long enough", "paused", "switched off"])
def test_nobody_is_told_of_what_is_no_silence(manager, vapi, settings, reason):
    if reason != "never heard":
        silent(vapi, 5 if reason == "not long enough" else 9)
    if reason == "paused":
        sources.pause(source=vapi, now=now())
    if reason == "switched off":
        settings.SOURCE_SILENCE_HOURS = 0
    tell_of_silent_sources()
    assert mail.outbox == []


def test_a_callback_for_another_kind_is_not_found(client, vapi):
    assert send_callback(client, vapi, {}).status_code == 401
