import pytest

from calls.sources.mapped.profile import Profile, ProfileError

WHOLE = {
    "name": "acme",
    "label": "Acme: call export",
    "source": "The help pages of Acme, March 2026",
    "version": 1,
    "recognise": {"columns": ["Call", "Start"], "values": {"Call": "C-[0-9]+"}},
    "columns": ["Call", "Start"],
    "call_id": {"columns": ["Call"], "prefix": "2026-"},
    "group": {"column": "Parent"},
    "usage_type": {
        "column": "Direction",
        "words": {"outbound": ["out*"], "inbound": ["in"]},
        "otherwise": "outbound",
    },
    "status": {
        "column": ["Reason", "Answered"],
        "words": {"completed": ["Y"], "no_answer": ["N"]},
        "by": "talk",
    },
    "started_at": {"columns": ["Date", "Time"], "form": "dmy", "zone": "Asia/Kolkata"},
    "connected_at": {"columns": ["Answer"], "form": "epoch_ms", "otherwise": ["Begin"]},
    "ended_at": {"columns": ["End"], "form": "iso", "zone": {"column": "Zone"}},
    "revised_at": {"columns": ["Changed"], "form": "mdy", "precision": "minute"},
    "total": {"column": "Duration", "unit": "min", "decimal": ","},
    "talk": {"column": "Talk", "unit": "h:m:s"},
    "waiting": {"column": "Wait", "unit": "s"},
    "agent": ["First", "Last"],
    "from": ["Caller"],
    "to": ["Called"],
    "customer": ["Customer"],
    "own": ["Line"],
    "remarks": ["Topic"],
    "set": {"agent": "Asha"},
    "ignore": ["Transcript"],
    "skip": [{"column": "Context", "values": ["internal"]}],
}
SMALL = {"started_at": {"columns": ["Start"]}}


def test_a_profile_comes_back_from_json_as_it_was_written():
    assert Profile.from_json(WHOLE).as_json() == WHOLE
    assert Profile.from_json(Profile.from_json(WHOLE).as_json()) == Profile.from_json(WHOLE)


def test_what_is_not_said_has_its_usual_value():
    profile = Profile.from_json(SMALL)
    assert profile.usage_type.otherwise == "outbound"
    assert profile.status.otherwise == "completed"
    assert profile.started_at is not None
    assert profile.started_at.form == "iso"


def test_the_columns_that_a_profile_reads_are_named_once_each():
    assert Profile.from_json(SMALL | {"agent": ["Start", "Agent"]}).needed_columns == (
        "Start",
        "Agent",
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": 2}, "version"),
        ({"started_at": {}}, "started_at"),
        ({"started_at": {"columns": []}}, "started_at"),
        ({"started_at": {"columns": ["Start"], "form": "us"}}, "started_at.form"),
        ({"started_at": {"columns": ["Start"], "zone": "Mars/Base"}}, "started_at.zone"),
        ({"started_at": {"columns": [7]}}, "started_at.columns"),
        ({"started_at": "Start"}, "started_at"),
        ({"talk": {"column": "Talk", "unit": "fortnight"}}, "talk.unit"),
        ({"talk": {"unit": "s"}}, "talk.column"),
        ({"usage_type": {"words": {"sideways": ["x"]}}}, "usage_type.words"),
        ({"usage_type": {"column": "Direction"}}, "usage_type.words"),
        ({"usage_type": {"otherwise": "outbound", "by": "talk"}}, "usage_type.by"),
        ({"status": {"by": "talk"}}, "talk"),
        ({"status": {"by": "connected_at"}}, "connected_at"),
        ({"group": {"column": "Parent"}}, "group"),
        ({"ignore": ["Start"]}, "ignore"),
        ({"skip": "internal"}, "skip"),
        ({"recognise": {"values": {"Call": "("}}}, "recognise.values.Call"),
        ({"recognise": {"values": {"Call": "(" * 9_000}}}, "recognise.values.Call"),
        ({"recognise": {"values": {"Call": "a{99999999999}"}}}, "recognise.values.Call"),
        ({"remarks": ["x" * 501]}, "remarks"),
        ({"set": {"call_id": "1"}}, "set.call_id"),
    ],
)
def test_a_refusal_names_the_field(change, field):
    with pytest.raises(ProfileError) as caught:
        Profile.from_json(SMALL | change)
    assert caught.value.field == field


def test_a_profile_that_is_no_object_is_refused():
    with pytest.raises(ProfileError):
        Profile.from_json(["started_at"])
