"""Files of two systems that tell the same calls: each is one call, and the import says so."""

import json

import pytest

from calls.charging import record_calls
from calls.inbox import sources
from calls.models import Call, CallReport, CallSource
from calls.reporters import of_source
from tests.audit import breaches
from tests.calls.calling import NOW, record
from tests.calls.importing import GOOD, HEADER, Outcome

pytestmark = pytest.mark.django_db

TWILIO_HEADER = (
    "sid,parent_call_sid,account_sid,from,to,status,start_time,end_time,duration,direction,"
    "date_created"
)
CARRIER_IDS = [f"CA{number:032x}" for number in range(3)]
START = "2026-03-10T09:{:02}:{:02}Z"


def twilio(*seconds):
    """A file of Twilio about the calls, so many seconds each."""
    rows = [
        f"{sid},,AC{0:032x},+1555,+1556,completed,{START.format(30 + number, 0)},"
        f"{START.format(30 + number + length // 60, length % 60)},{length},outbound-api,"
        f"{START.format(30 + number, 0)}"
        for number, (sid, length) in enumerate(zip(CARRIER_IDS, seconds, strict=True))
    ]
    return "\n".join([TWILIO_HEADER, *rows, ""])


def vapi(*seconds):
    """The same calls as Vapi lists them."""
    return json.dumps(
        [
            {
                "id": f"v{number}",
                "orgId": "o1",
                "type": "outboundPhoneCall",
                "status": "ended",
                "createdAt": START.format(30 + number, 0),
                "startedAt": START.format(30 + number, 1),
                "endedAt": START.format(30 + number + (length + 1) // 60, (length + 1) % 60),
                "endedReason": "customer-ended-call",
                "phoneCallProviderId": CARRIER_IDS[number],
            }
            for number, length in enumerate(seconds)
        ],
        indent=1,
    )


@pytest.mark.parametrize("first", ["vapi", "twilio"])
def test_files_of_vapi_and_twilio_tell_each_call_once(importing_file, professional, first):
    files = [("vapi.json", vapi(65, 65, 5)), ("twilio.csv", twilio(95, 95, 35))]
    if first == "twilio":
        files.reverse()
    first_outcome = importing_file(files[0][1], name=files[0][0])
    assert "3 created" in first_outcome.out, first_outcome.error + first_outcome.refusal
    outcome = importing_file(files[1][1], name=files[1][0])
    said = "3 linked" if first == "vapi" else "3 corrected"
    assert said in outcome.out
    assert sorted(Call.objects.values_list("credits", flat=True)) == [1, 3, 3]
    assert CallReport.objects.count() == 6
    assert breaches() == []
    again = importing_file(files[0][1], name=files[0][0])
    assert "0 created, 3 unchanged, 0 corrected, 0 rejected" in again.out
    taken_back = Outcome(account="acme", withdraw=outcome.import_id)
    assert taken_back.code == 0
    assert Call.objects.filter(withdrawn_at=None).count() == 3
    assert breaches() == []


def test_a_trial_run_counts_what_it_would_link(importing_file, professional):
    sources.connect(account=professional, kind="vapi", name="Vapi", by=None, now=NOW)
    reporter = of_source(CallSource.objects.get().pk)
    told = record(professional, "v1", 65, carrier_id="CA1")
    record_calls(records=[told], now=NOW, reporter=reporter)
    content = f"{HEADER},carrier_id\n{GOOD.format('c1', 10)},CA1\n"
    trial = importing_file(content, "--dry-run")
    assert "linked to them and counted once: 1." in trial.out
    assert "0 corrected, 1 linked, 0 rejected; 0 credits charged" in importing_file(content).out


def test_our_own_csv_tells_the_carriers_id(importing_file, professional):
    content = f"{HEADER},carrier_id\n{GOOD.format('c1', 10)},CA1\n"
    importing_file(content)
    assert Call.objects.get().carrier_id == "CA1"
