"""A carrier and an agent platform that report the same call: one call, whoever tells first."""

import itertools

import pytest
from django.utils import timezone

from calls.inbox import sources
from calls.models import Call, OpenEvent
from tests.calls.inbox.sending import (
    AT,
    callbacks,
    connect,
    drain_all,
    outcome,
    report,
    send_callback,
    send_report,
)

pytestmark = pytest.mark.django_db

CARRIER = "CA" + "c" * 32


def both(client, account, order):
    """Vapi, which comes first in the account's order, and Twilio, in the ``order`` of arrival."""
    vapi, twilio = connect(account), connect(account, "twilio")
    document = report("v1", seconds=65, at=AT)
    document["message"]["call"]["phoneCallProviderId"] = CARRIER
    *_, answered, completed = callbacks(CARRIER, seconds=95, rings=2)
    sends = {
        "report": lambda: send_report(client, vapi, document),
        "answered": lambda: send_callback(client, twilio, answered),
        "completed": lambda: send_callback(client, twilio, completed),
    }
    for name in order:
        sends[name]()
        drain_all()


@pytest.mark.parametrize("order", list(itertools.permutations(["report", "answered", "completed"])))
def test_the_platform_counts_in_whatever_order_both_arrive(client, professional, order):
    both(client, professional, order)
    calls, usage, balance, used = outcome(professional)
    assert len(calls) == 1
    assert (used, balance) == (-3, 1_497)
    assert sum(row[3] for row in usage) == 1
    assert Call.objects.filter(account=professional, credits__gt=0).count() == 1
    assert not OpenEvent.objects.exists()


def test_a_source_that_is_connected_anew_corrects_what_the_deleted_one_told(client, professional):
    before, carrier = connect(professional), connect(professional, "twilio")
    send_report(client, before, report("v1", seconds=65, at=AT))
    drain_all()
    sources.delete(source=before, now=timezone.now())
    anew = connect(professional)
    send_report(client, anew, report("v1", seconds=125, at=AT))
    drain_all()
    call = Call.objects.get()
    assert (call.credits, call.corrections) == (5, 1)
    carrier.refresh_from_db()
    assert anew.position < carrier.position
    # Beside one that reports, another of its kind comes last.
    assert connect(professional, name="Another").position > carrier.position
