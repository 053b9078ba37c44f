"""Calls by the API: recorded once, each with its outcome, listed, explained, withdrawn."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from api.v1.calls.reading import read_record
from billing.models import Account, LedgerEntry, Scope
from calls import reporters
from calls.charging import record_calls
from calls.inbox import sources
from calls.models import Call
from tests.api.v1.conftest import CALLS, PROBLEM, Program, key_of, outcomes, pointers, record
from tests.clock import StopClock
from tests.dashboard.conftest import NOW


# ── Recording ─────────────────────────────────────────────────────────────────────────────────
def test_one_record_is_charged_once_however_often_it_is_sent(
    program: Program, account: Account
) -> None:
    response = program.post(CALLS, record())
    assert outcomes(response) == [("created", 3)]
    assert response.json()["counts"]["created"] == 1
    assert response.json()["credits"] == 3
    assert outcomes(program.post(CALLS, record())) == [("unchanged", 0)]
    longer = record(ended_at="2026-11-23T09:32:10Z")
    assert outcomes(program.post(CALLS, [longer])) == [("corrected", 2)]
    assert Call.objects.get().credits == 5


def test_each_record_of_a_batch_has_its_own_outcome(program: Program) -> None:
    program.post(CALLS, record("known"))
    response = program.post(
        CALLS,
        [
            record("new"),
            record("known"),
            record("busy", status="busy", connected_at=None),
            record("bad", ended_at="2026-11-23T09:29:00Z"),
            "no record",
            record("a/b~c", conected_at="2026-11-23T09:30:05Z"),
            record("long", remarks="x" * 600),
        ],
    )
    assert outcomes(response) == [
        ("created", 3),
        ("unchanged", 0),
        ("created", 0),
        ("rejected", 0),
        ("rejected", 0),
        ("rejected", 0),
        ("created", 3),
    ]
    results = response.json()["results"]
    assert [one["call_id"] for one in results] == [
        "new",
        "known",
        "busy",
        "bad",
        "",
        "a/b~c",
        "long",
    ]
    assert results[3]["field"] == "ended_at"
    assert "before the call started" in results[3]["reason"]
    assert [one["pointer"] for one in results] == [
        None,
        None,
        None,
        "/3/ended_at",
        "/4",
        "/5/conected_at",
        None,
    ]
    assert results[6]["notes"][0]["field"] == "remarks"
    assert response.json()["counts"] == {
        "created": 3,
        "unchanged": 1,
        "corrected": 0,
        "linked": 0,
        "rejected": 3,
    }


def test_a_record_is_told_that_a_later_one_of_the_same_body_counts(program: Program) -> None:
    longer = record(ended_at="2026-11-23T09:32:10Z")
    body = [record(), record("other"), longer, record("other"), longer]
    response = program.post(CALLS, body)
    assert outcomes(response) == [
        ("unchanged", 0),
        ("created", 3),
        ("created", 5),
        ("unchanged", 0),
        ("unchanged", 0),
    ]
    outdone = {"field": "call_id", "said": "is repeated by a later record, which counts instead."}
    assert [one["notes"] for one in response.json()["results"]] == [[outdone], [], [], [], []]
    again = program.post(CALLS, body)
    assert outcomes(again) == [("unchanged", 0)] * len(body)
    corrected = program.post(CALLS, [longer, record()]).json()["results"]
    assert [one["notes"] for one in corrected] == [[outdone], []]


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"call_id": ...}, "call_id", "is missing"),
        ({"call_id": "a\u0000b"}, "call_id", "U+0000"),
        ({"call_id": "\ud800"}, "call_id", "U+D800"),
        ({"call_id": 5}, "call_id", "must be a text"),
        ({"usage_type": "fax"}, "usage_type", "must be one of"),
        ({"status": None}, "status", "is missing"),
        ({"started_at": "2026-11-23T09:30:00"}, "started_at", "no time zone"),
        ({"started_at": 1763890200}, "started_at", "must be a text"),
        ({"started_at": "yesterday"}, "started_at", "write it like"),
        ({"started_at": "0001-01-01T00:00:00+14:00"}, "started_at", "out of range"),
        ({"connected_at": ...}, "connected_at", "is missing"),
        ({"agent": ["Asha"]}, "agent", "must be a text"),
        ({"\ud800": 1}, "\ufffd", "is no field"),
    ],
    ids=lambda value: None,
)
def test_a_record_that_cannot_be_is_rejected_with_field_and_reason(
    program: Program, changes: dict[str, Any], field: str, said: str
) -> None:
    response = program.post(CALLS, record(**changes))
    (result,) = response.json()["results"]
    assert (response.status_code, result["outcome"], result["field"]) == (200, "rejected", field)
    assert said in result["reason"]
    assert not Call.objects.exists()


def test_a_time_is_exact_beyond_the_microsecond(program: Program) -> None:
    exact = record(ended_at="2026-11-23T09:30:35.0000001Z")
    assert outcomes(program.post(CALLS, exact)) == [("created", 2)]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ([], 422, [""]),
        ("text", 422, [""]),
        (None, 422, [""]),
        (7, 422, [""]),
        ([{}] * 1_001, 422, [""]),
        (b"{", 400, [""]),
        (b"", 400, [""]),
        (b"\xff", 400, [""]),
        (b"[NaN]", 400, [""]),
        (b"[" * 100_000, 400, [""]),
        (b"9" * 5_000, 400, [""]),
        (b'"' + b"x" * (8 * 1024 * 1024) + b'"', 413, []),
    ],
    ids=[
        "empty list",
        "text",
        "null",
        "number",
        "1,001",
        "cut",
        "nothing",
        "no UTF-8",
        "NaN",
        "nested",
        "long number",
        "large",
    ],
)
def test_only_a_body_that_is_unusable_as_a_whole_is_refused(
    program: Program, body: Any, status: int, pointer: list[str]
) -> None:
    response = program.post(CALLS, body)
    assert (response.status_code, list(pointers(response))) == (status, pointer)
    assert response.json()["status"] == status
    assert not Call.objects.exists()


def test_a_byte_that_is_no_text_spoils_no_call_but_an_id(program: Program) -> None:
    body = json.dumps([record("c1", agent="Andr\u00e9"), record("c\u00e9")], ensure_ascii=False)
    response = program.post(CALLS, body.encode("latin-1"))
    first, second = response.json()["results"]
    assert (first["outcome"], first["credits"]) == ("created", 3)
    assert [note["field"] for note in first["notes"]] == ["agent"]
    assert (second["outcome"], second["field"]) == ("rejected", "call_id")
    assert Call.objects.get().agent == "Andr\ufffd"


def test_a_thousand_records_are_one_request(program: Program) -> None:
    response = program.post(CALLS, [record(f"c{number}") for number in range(1_000)])
    assert response.json()["counts"]["created"] == 1_000


def test_an_account_without_a_plan_is_told_what_to_do(now: Any, other_account: Account) -> None:
    program = Program(key_of(other_account).secret)
    (result,) = program.post(CALLS, [record()]).json()["results"]
    assert (result["outcome"], result["field"], result["pointer"]) == ("rejected", "account", "/0")
    assert "plan" in result["reason"]


# ── Reading ───────────────────────────────────────────────────────────────────────────────────
def test_a_call_is_explained_with_its_entries_and_who_paid(program: Program) -> None:
    program.post(CALLS, record())
    program.post(CALLS, record(ended_at="2026-11-23T09:32:10Z"))
    call = program.get(f"{CALLS}c1/").json()
    assert call["explanation"] == (
        "125 s, billed as 5 × 30 s at 1 credit = 5 credits, plan Professional"
    )
    assert call["charge"]["credits"] == 5
    assert call["charge"]["billable_seconds"] == "125.000000"
    assert [(one["kind"], one["credits_used"]) for one in call["entries"]] == [
        ("call", 3),
        ("correction", 2),
    ]
    assert [(one["source"], one["credits"]) for one in call["paid_by"]] == [
        ("plan", 3),
        ("plan", 2),
    ]
    assert call["not_paid"] == 0
    assert (call["from"], call["started_at"]) == ("+918000000001", "2026-11-23T09:30:00Z")


@pytest.mark.parametrize("call_id", ["a/b?c#d é", "x/withdraw", "a b", "%2F"])
def test_a_call_is_found_by_any_id(program: Program, call_id: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415

    program.post(CALLS, record(call_id))
    assert program.get(f"{CALLS}{quote(call_id, safe='')}/").json()["call_id"] == call_id
    (listed,) = program.get(CALLS, {"call_id": call_id}).json()["calls"]
    assert listed["call_id"] == call_id


def test_a_call_is_found_by_the_carriers_id_unless_several_have_it(program: Program) -> None:
    program.post(CALLS, [record("c1", carrier_id="CA1"), record("c2", carrier_id="CA2")])
    assert program.get(f"{CALLS}CA1/").json()["call_id"] == "c1"
    (listed,) = program.get(CALLS, {"call_id": "CA1"}).json()["calls"]
    assert listed["call_id"] == "c1"
    program.post(CALLS, record("c3", carrier_id="CA1"))
    assert program.get(f"{CALLS}CA1/").status_code == 404
    assert program.get(CALLS, {"call_id": "CA1"}).json()["calls"] == []
    program.post(CALLS, record("CA2"))  # an ID of its own goes first
    assert program.get(f"{CALLS}CA2/").json()["carrier_id"] == ""


ADDRESSES = {
    CALLS: "GET, POST, HEAD, OPTIONS",
    f"{CALLS}c1/": "GET, HEAD, OPTIONS",
    "/api/v1/balance/": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize(("address", "allowed"), ADDRESSES.items(), ids=ADDRESSES)
def test_what_an_address_takes_is_said_and_true(
    program: Program, address: str, allowed: str
) -> None:
    program.post(CALLS, record())
    asked = program.client.options(address, headers={"Authorization": f"Bearer {program.secret}"})
    assert (asked.status_code, asked.content) == (204, b"")
    assert set(asked["Allow"].split(", ")) == set(allowed.split(", "))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "BREW"):
        response = program.client.generic(
            method,
            address,
            b"{}" if method == "POST" else b"",
            content_type="application/json",
            headers={"Authorization": f"Bearer {program.secret}"},
        )
        assert (response.status_code == 405) == (method not in allowed), method
        if response.status_code == 405:
            assert response["Content-Type"] == PROBLEM
            assert response["Allow"] == asked["Allow"]


def test_the_schema_is_read_and_nothing_else(client: Client) -> None:
    assert client.get("/api/v1/openapi.yaml").status_code == 200
    refused = Client(enforce_csrf_checks=True).post("/api/v1/openapi.yaml")
    assert (refused.status_code, refused["Content-Type"]) == (405, PROBLEM)
    assert refused["Allow"] == "GET, HEAD"


def test_what_does_not_exist_is_a_problem(program: Program) -> None:
    for address in (f"{CALLS}nothing/", "/api/v1/nothing/", f"{CALLS[:-1]}", f"{CALLS}%00/"):
        response = program.get(address)
        assert (response.status_code, response["Content-Type"]) == (404, PROBLEM), address


def test_lists_go_from_part_to_part_and_miss_nothing(program: Program) -> None:
    names = [f"c{number:02}" for number in range(25)]
    records = [
        record(
            name,
            started_at=f"2026-11-{1 + number // 2:02}T09:30:00Z",
            status="busy",
            connected_at=None,
            ended_at=None,
        )
        for number, name in enumerate(names)
    ]
    program.post(CALLS, records)
    found = [one["call_id"] for one in program.all(CALLS, "calls", {"limit": 4})]
    assert sorted(found) == names
    times = [one["started_at"] for one in program.all(CALLS, "calls", {"limit": 4})]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["in", "late", "out", "busy"]),
        ({"usage_type": "inbound"}, ["in"]),
        ({"status": "busy"}, ["busy"]),
        ({"agent": "Ravi"}, ["late"]),
        ({"from": "2026-11-23", "to": "2026-11-23"}, ["in", "late"]),
        ({"period": "last_7_days"}, ["in", "late", "out"]),
        ({"period": "today", "status": "completed", "agent": "Asha"}, ["in"]),
        ({"call_id": "out"}, ["out"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_filters_hold_together(program: Program, query: dict[str, str], names: list[str]) -> None:
    program.post(
        CALLS,
        [
            record(
                "busy",
                status="busy",
                connected_at=None,
                ended_at=None,
                started_at="2026-11-05T09:30:00Z",
            ),
            record(
                "out",
                started_at="2026-11-20T09:30:00Z",
                connected_at="2026-11-20T09:30:00Z",
                ended_at="2026-11-20T09:31:00Z",
            ),
            record("late", agent="Ravi"),
            record("in", usage_type="inbound", started_at="2026-11-23T09:30:01Z"),
        ],
    )
    assert [one["call_id"] for one in program.all(CALLS, "calls", {**query, "limit": 1})] == names


def test_whoever_asks_for_changes_gets_each_call_that_changed(
    program: Program, account: Account, stop_clock: StopClock
) -> None:
    program.post(CALLS, [record("old"), record("longer")])
    later = NOW + timedelta(hours=1)
    stop_clock(later)
    program.post(CALLS, [record("longer", ended_at="2026-11-23T09:35:10Z"), record("new")])
    program.post(f"{CALLS}new/withdraw/", {"reason": "A test"})
    query = {"changed_since": later.isoformat(), "limit": 1}
    found = {one["call_id"]: one for one in program.all(CALLS, "calls", query)}
    assert set(found) == {"longer", "new"}
    assert found["longer"]["charge"]["credits"] == 11
    assert found["new"]["withdrawn_at"] == later.isoformat().replace("+00:00", "Z")


def test_a_call_that_learns_its_carriers_id_has_changed(
    program: Program, stop_clock: StopClock
) -> None:
    program.post(CALLS, [record(f"c{number}") for number in range(4)])
    before = program.get(f"{CALLS}c1/")
    later = NOW + timedelta(hours=1)
    stop_clock(later)
    query = {"changed_since": later.isoformat(), "limit": 1}
    assert program.all(CALLS, "calls", query) == []
    told_anew = [
        record("c1", carrier_id="CA1"),
        record("c2", carrier_id="CA2"),
        record("c3", revised_at="2026-11-23T10:00:00Z"),
    ]
    assert outcomes(program.post(CALLS, told_anew)) == [("unchanged", 0)] * 3
    program.post(CALLS, record("new"))
    found = program.all(CALLS, "calls", query)
    assert [(one["call_id"], one["carrier_id"]) for one in found] == [
        ("new", ""),
        ("c1", "CA1"),
        ("c2", "CA2"),
        ("c3", ""),
    ]
    assert program.get(f"{CALLS}c1/", If_None_Match=before["ETag"]).status_code == 200
    program.post(CALLS, told_anew)
    assert program.all(CALLS, "calls", {**query, "agent": "Ravi"}) == []
    later += timedelta(hours=1)
    stop_clock(later)
    assert outcomes(program.post(CALLS, told_anew)) == [("unchanged", 0)] * 3
    assert program.all(CALLS, "calls", {"changed_since": later.isoformat()}) == []


def test_a_call_that_was_being_recorded_when_somebody_asked_is_told_the_next_time(
    program: Program, stop_clock: StopClock
) -> None:
    """Its entry says when its booking began; the one who asked did not see it yet."""
    program.post(CALLS, record("slow"))
    asked_at = NOW + timedelta(seconds=30)
    stop_clock(NOW + timedelta(minutes=30))
    found = program.all(CALLS, "calls", {"changed_since": asked_at.isoformat()})
    assert [one["call_id"] for one in found] == ["slow"]
    asked_at += timedelta(minutes=5)
    assert program.all(CALLS, "calls", {"changed_since": asked_at.isoformat()}) == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"form": "2026-11-01"}, "form"),
        ({"usage_type": "fax"}, "usage_type"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1000"}, "limit"),
        ({"cursor": "made-up"}, "cursor"),
        ({"from": "2026-13-01", "to": "2026-11-01"}, "from"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2026-11-02"}, "to"),
        ({"period": "tomorrow"}, "period"),
        ({"period": "today", "from": "2026-11-02", "to": "2026-11-02"}, "period"),
        ({"changed_since": "2026-11-23T09:30:00"}, "changed_since"),
        ({"changed_since": "2027-11-23T09:30:00Z"}, "changed_since"),
        ({"changed_since": "2026-11-22T09:30:00Z", "period": "today"}, "changed_since"),
        ({"agent": "a\x00b"}, "agent"),
        ({"agent": ""}, "agent"),
        ({"changed_since": ""}, "changed_since"),
        ({"status": ["busy", "failed"]}, "status"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_a_parameter_that_cannot_be_is_named(
    program: Program, query: dict[str, str], parameter: str
) -> None:
    response = program.get(CALLS, query)
    assert (response.status_code, list(pointers(response))) == (400, [parameter])


# ── Withdrawing ───────────────────────────────────────────────────────────────────────────────
def test_a_withdrawn_call_costs_nothing_and_may_come_again(
    program: Program, account: Account
) -> None:
    program.post(CALLS, record())
    address = f"{CALLS}c1/withdraw/"
    withdrawn = program.post(address, {"reason": "A test call"}).json()
    assert (withdrawn["charge"]["credits"], withdrawn["withdrawn_at"]) == (
        0,
        "2026-11-23T12:30:00Z",
    )
    assert program.post(address, {"reason": "Again"}).status_code == 200
    entries = LedgerEntry.objects.filter(account=account, call_id="c1")
    assert list(entries.order_by("seq").values_list("credits", flat=True)) == [-3, 3]
    assert outcomes(program.post(CALLS, record())) == [("created", 3)]
    assert [one["call_id"] for one in program.all(CALLS, "calls")] == ["c1"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({}, 422, ["/reason"]),
        ({"reason": " "}, 422, ["/reason"]),
        ({"reason": "a\u0007b"}, 422, ["/reason"]),
        ({"reason": "x" * 501}, 422, ["/reason"]),
        ({"reason": "Why", "more": 1}, 422, [""]),
        ([], 422, ["/reason"]),
    ],
    ids=["none", "blank", "control", "long", "more", "list"],
)
def test_a_withdrawal_needs_a_reason(
    program: Program, body: Any, status: int, pointer: list[str]
) -> None:
    program.post(CALLS, record())
    response = program.post(f"{CALLS}c1/withdraw/", body)
    assert (response.status_code, list(pointers(response))) == (status, pointer)
    assert Call.objects.get().credits == 3


def test_it_is_too_late_after_thirty_days(program: Program, stop_clock: StopClock) -> None:
    program.post(CALLS, record())
    stop_clock(NOW + timedelta(days=30, seconds=1))
    response = program.post(f"{CALLS}c1/withdraw/", {"reason": "Too late"})
    assert (response.status_code, Call.objects.get().credits) == (409, 3)


# ── Who may ───────────────────────────────────────────────────────────────────────────────────
def test_a_key_without_the_scope_can_do_nothing(program_with: Any) -> None:
    reader, writer = program_with(Scope.CALLS_READ), program_with(Scope.CALLS_WRITE)
    assert reader.post(CALLS, record()).status_code == 403
    assert outcomes(writer.post(CALLS, record())) == [("created", 3)]
    assert writer.get(CALLS).status_code == 403
    assert writer.get(f"{CALLS}c1/").status_code == 403
    assert reader.get(f"{CALLS}c1/").status_code == 200
    assert reader.post(f"{CALLS}c1/withdraw/", {"reason": "No"}).status_code == 403


def test_a_key_sees_exactly_its_account(program: Program, other_account: Account) -> None:
    program.post(CALLS, record("secret-of-acme"))
    other = Program(key_of(other_account).secret)
    assert other.get(CALLS).json()["calls"] == []
    for address in (f"{CALLS}secret-of-acme/", f"{CALLS}nothing/"):
        response = other.get(address)
        assert response.status_code == 404
        assert "secret" not in json.dumps(response.json())
    withdrawal = other.post(f"{CALLS}secret-of-acme/withdraw/", {"reason": "Mine"})
    assert withdrawal.status_code == 404
    assert Call.objects.get().credits == 3


def test_a_call_that_another_system_reports_is_linked_and_found_by_either_id(
    program: Program, account: Account
) -> None:
    told = record("ours", carrier_id="CA123")
    assert outcomes(program.post(CALLS, told)) == [("created", 3)]
    source = sources.connect(account=account, kind="vapi", name="Ours", by=None, now=NOW)
    theirs = read_record(record("theirs", carrier_id="CA123"), account_id=account.pk, now=NOW)
    record_calls(records=[theirs], now=NOW, reporter=reporters.of_source(source.pk))
    found = program.get(f"{CALLS}theirs/").json()
    assert (found["call_id"], found["carrier_id"]) == ("ours", "CA123")
    assert [one["reporter"] for one in found["also_reported_by"]] == ["the API"]
    assert outcomes(program.post(CALLS, told)) == [("unchanged", 0)]
    second = record("second", carrier_id="CA123", started_at="2026-11-23T09:30:01Z")
    assert Call.objects.filter(withdrawn_at=None).count() == 1
    [result] = program.post(CALLS, second).json()["results"]
    assert result["outcome"] == "created"  # the same carrier ID twice by one reporter links nothing
