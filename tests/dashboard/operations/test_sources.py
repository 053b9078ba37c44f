"""Sources of all accounts, as operators see them."""

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account
from calls.inbox import sources
from calls.inbox.draining import drain
from calls.models import CallSource, EventState, InboxEvent
from tests.calls.inbox.sending import report, send_report


def connected(account: Account, client: Client) -> CallSource:
    """A source with one event, which was settled."""
    source = sources.connect(
        account=account, kind="vapi", name="Our Vapi", by=None, now=timezone.now()
    )
    send_report(client, source, report())
    drain(clock=timezone.now)
    return source


def test_operators_see_sources_and_events_without_secrets(
    staff: Client, customer: Account, client: Client
) -> None:
    source = connected(customer, client)
    secret = sources.secret_of(source)
    for page in (
        reverse("admin:calls_callsource_changelist"),
        reverse("admin:calls_callsource_change", args=[source.pk]),
        reverse("admin:calls_inboxevent_changelist"),
        reverse("admin:calls_inboxevent_change", args=[InboxEvent.objects.get().pk]),
    ):
        text = staff.get(page).text
        assert "Our Vapi" in text
        assert secret not in text
        assert source.secret not in text


def test_operators_replay_a_source_and_an_event(
    staff: Client, customer: Account, client: Client
) -> None:
    source = connected(customer, client)
    event = InboxEvent.objects.get()
    for address in (
        reverse("admin:calls_callsource_replay", args=[source.pk]),
        reverse("admin:calls_inboxevent_again", args=[event.pk]),
    ):
        assert "again" in staff.get(address).text
        staff.post(address)
        event.refresh_from_db()
        assert event.state == EventState.WAITING
        drain(clock=timezone.now)


def test_what_waits_or_is_held_back_is_not_said_to_be_about_no_call(
    staff: Client, customer: Account, client: Client
) -> None:
    source = connected(customer, client)
    send_report(client, source, report("v2"))
    event = InboxEvent.objects.get(call_id="v2")
    again = reverse("admin:calls_inboxevent_again", args=[event.pk])
    assert "on the way to be recorded already" in staff.post(again, follow=True).text
    sources.pause(source=source, now=timezone.now())
    assert "is held back" in staff.post(again, follow=True).text


def test_events_are_found_by_the_id_of_their_call(
    staff: Client, customer: Account, client: Client
) -> None:
    connected(customer, client)
    found = reverse("admin:calls_inboxevent_changelist", query={"q": "v1"})
    assert "Our Vapi" in staff.get(found).text
    found = reverse("admin:calls_inboxevent_changelist", query={"q": "v2"})
    assert "Our Vapi" not in staff.get(found).text


def test_events_are_told_apart_by_how_they_stand(
    staff: Client, customer: Account, client: Client
) -> None:
    source = connected(customer, client)
    send_report(client, source, report("v2"))
    event = InboxEvent.objects.get(call_id="v1")
    for state, shown in (("recorded", "v1"), ("waiting", "v2"), ("failed", None)):
        page = reverse("admin:calls_inboxevent_changelist", query={"state": state})
        text = staff.get(page).text
        assert [call_id for call_id in ("v1", "v2") if f">{call_id}<" in text] == (
            [shown] if shown else []
        ), state
    text = staff.get(reverse("admin:calls_inboxevent_change", args=[event.pk])).text
    assert "Recorded as" in text


def test_an_event_tells_why_it_failed_and_how_often(
    staff: Client, account: Account, client: Client
) -> None:
    connected(account, client)  # which has no plan
    event = InboxEvent.objects.get()
    text = staff.get(reverse("admin:calls_inboxevent_change", args=[event.pk])).text
    assert "Failed" in text
    assert "Put it on a plan, then try again." in text
