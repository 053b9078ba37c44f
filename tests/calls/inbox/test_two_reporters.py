"""Vapi and Twilio report one phone call: it is one call, whoever is heard first."""

import pytest

from billing.models import DailyUsage
from calls.models import Call, CallReport
from calls.reporters import of_source
from tests.audit import breaches
from tests.calls.inbox.sending import (
    callbacks,
    connect,
    drain_all,
    report,
    send_callback,
    send_report,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("first", ["vapi", "twilio", "both"])
def test_vapi_and_twilio_tell_one_call(client, professional, first):
    vapi, twilio = connect(professional), connect(professional, "twilio")

    def tell_vapi():
        send_report(client, vapi, report("v1", seconds=65))

    def tell_twilio():
        for form in callbacks("CAv1", seconds=95):
            send_callback(client, twilio, form)

    for tell in (tell_twilio, tell_vapi) if first == "twilio" else (tell_vapi, tell_twilio):
        tell()
        if first != "both":
            drain_all()
    drain_all()
    call = Call.objects.get()
    assert (call.credits, call.carrier_id, call.reporter) == (3, "CAv1", of_source(vapi.pk))
    assert sorted(CallReport.objects.values_list("call_id", flat=True)) == ["CAv1", "v1"]
    assert sum(DailyUsage.objects.values_list("calls", flat=True)) == 1
    assert breaches() == []
