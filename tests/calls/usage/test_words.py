"""What is said of an entry, made from its facts: charges, corrections, and all other kinds."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing.models import Account, LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls.charging import record_calls
from calls.models import Call
from calls.usage import words
from calls.usage.entries import Entry
from calls.usage.log import log_rows
from tests.calls.calling import NOW, STARTED_AT, after, record, unanswered, words_of
from tests.factories import AccountFactory
from tests.movements import call, goodwill, post, top_up

KOLKATA = ZoneInfo("Asia/Kolkata")


@pytest.fixture
def professional(db: None) -> Account:
    """An account in India, on Professional: 1 credit for each 30 s begun."""
    account: Account = AccountFactory()
    plan = Plan.objects.get(name="Professional")
    subscribe(account=account, plan=plan, at=datetime(2026, 3, 1, tzinfo=UTC))
    return account


def said(account: Account, **which: str) -> list[str]:
    """What the log says of the entries ``which``, in the order of their posting."""
    entries = LedgerEntry.objects.filter(account=account, **which).order_by("seq")
    return [row.words for row in log_rows(account=account, entries=Entry.read(entries))]


def entry(**facts: object) -> Entry:
    """A call's entry of which only some facts matter."""
    of_call = {"kind": "call", "usage_type": "outbound", "call_status": "completed", "remarks": ""}
    return Entry._make({**of_call, **facts}.get(name) for name in Entry._fields)


# ── Whatever people wrote ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("agent", "number", "remarks", "expected"),
    [
        ("دعم", "+1", "مهم", "\u2068دعم\u2069 to +1, 65 s, 3 × 30 s · \u2068مهم\u2069"),
        ("\u202ekcart", "+1", "a\u2069\u202eb", "kcart to +1, 65 s, 3 × 30 s · ab"),
        ("Zoë", "+1", "“ok”", "Zoë to +1, 65 s, 3 × 30 s · “ok”"),
    ],
)
def test_no_text_turns_the_charge_around(
    professional: Account, agent: str, number: str, remarks: str, expected: str
) -> None:
    facts = {"agent": agent, "to_number": number, "remarks": remarks}
    record_calls(records=[record(professional, **facts)], now=NOW)
    assert said(professional, kind="call") == [expected]


# ── Charges ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "Outbound call, 65 s, 3 × 30 s"),
        ({"usage_type": "inbound"}, "Inbound call, 70 s, 3 × 30 s"),
        ({"usage_type": "translation"}, "Translation, 70 s, 3 × 30 s"),
        ({"seconds": 30.001}, "Outbound call, 30.001 s, 2 × 30 s"),
        ({"seconds": 3600}, "Outbound call, 3,600 s, 120 × 30 s"),
        ({"remarks": "hot lead"}, "Outbound call, 65 s, 3 × 30 s · hot lead"),
        ({"remarks": "x" * 500}, "Outbound call, 65 s, 3 × 30 s · " + "x" * 500),
    ],
)
def test_a_charge_is_explained_with_all_remarks(
    professional: Account, facts: dict, expected: str
) -> None:
    record_calls(records=[record(professional, **facts)], now=NOW)
    assert words_of(professional) == [expected]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"agent": "Asha", "to_number": "+919"}, "Asha to +919"),
        ({"agent": "Asha", "from_number": "+91"}, "Asha, outbound"),
        ({"to_number": "+919", "from_number": "+91"}, "Outbound to +919"),
        (
            {"usage_type": "inbound", "agent": "Asha", "from_number": "+919", "to_number": "+91"},
            "Asha from +919",
        ),
        ({"usage_type": "inbound", "from_number": "+919"}, "Inbound from +919"),
        ({"usage_type": "inbound", "agent": "Asha"}, "Asha, inbound"),
        (
            {"usage_type": "translation", "agent": "Asha", "to_number": "+919"},
            "Asha with +919, translation",
        ),
        ({"usage_type": "translation", "agent": "Asha"}, "Asha, translation"),
        ({"usage_type": "translation", "to_number": "+919"}, "Translation with +919"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_is_known_by_its_agent_and_the_other_partys_number(
    professional: Account, facts: dict, expected: str
) -> None:
    record_calls(records=[record(professional, **facts)], now=NOW)
    [said] = words_of(professional)
    assert said.startswith(f"{expected}, ")
    assert said.endswith(" s, 3 × 30 s")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("no_answer", "no answer"),
        ("busy", "busy"),
        ("failed", "failed"),
        ("blocked", "blocked"),
    ],
)
def test_a_call_that_never_connected_says_why(
    professional: Account, status: str, expected: str
) -> None:
    record_calls(records=[unanswered(professional, status=status, remarks="dnc")], now=NOW)
    assert words_of(professional) == [f"Outbound call, {expected} · dnc"]


def test_a_connected_call_that_cost_nothing_is_history() -> None:
    charge = entry(credits=0, billable_us=65_000_000, billed_seconds=90, increment_seconds=30)
    assert words.of_entry(charge, grants={}, zone=UTC) == (
        "Outbound call, 65 s, 3 × 30 s, before your subscription began, not charged"
    )


def test_the_arithmetic_of_history_says_what_it_would_have_been() -> None:
    history = Call(
        status="completed",
        billable_seconds=Decimal("65.000000"),
        billed_seconds=90,
        increments=3,
        increment_seconds=30,
        credits_per_increment=2,
        credits=0,
        plan_name="Professional",
    )
    assert words.in_full(history, zone=UTC) == (
        "65 s, before your subscription began, not charged. "
        "It would have been 3 × 30 s at 2 credits = 6 credits, plan Professional."
    )


# ── Corrections ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"seconds": 125}, "65 s → 125 s, 3 → 5 credits"),
        ({"agent": "Ravi"}, "agent Asha → Ravi, 3 credits as before"),
        ({"agent": ""}, "agent Asha → (none), 3 credits as before"),
        ({"usage_type": "inbound"}, "outbound → inbound, 65 s → 70 s, 3 credits as before"),
        (
            {"status": "busy", "connected_at": None},
            "completed → busy, 65 s → 0 s, 3 → 0 credits",
        ),
        ({"seconds": 10}, "65 s → 10 s, 3 → 1 credit"),
        (
            {"rings": 6, "seconds": 65},
            "answered 10 Mar 2026, 15:00:05 → 10 Mar 2026, 15:00:06, "
            "ended 10 Mar 2026, 15:01:10 → 10 Mar 2026, 15:01:11, 3 credits as before",
        ),
        (
            {"started_at": after(0.25)},
            "started 10 Mar 2026, 15:00:00 → 10 Mar 2026, 15:00:00.25, 3 credits as before",
        ),
        (
            {"started_at": after(-24 * 3600)},
            "started 10 Mar 2026, 15:00:00 → 9 Mar 2026, 15:00:00, 3 credits as before",
        ),
        ({"remarks": "hot lead"}, "remarks (none) → hot lead, 3 credits as before"),
        (
            {"from_number": "+911", "to_number": "+912"},
            "from (none) → +911, to (none) → +912, 3 credits as before",
        ),
    ],
)
def test_the_log_says_what_a_correction_changed(
    professional: Account, facts: dict, expected: str
) -> None:
    record_calls(records=[record(professional, agent="Asha")], now=NOW)
    record_calls(records=[record(professional, **{"agent": "Asha", **facts})], now=NOW)
    assert words_of(professional)[1] == f"Correction: {expected}"


def test_nothing_of_a_correction_is_cut(professional: Account) -> None:
    record_calls(records=[record(professional, "c1", from_number="1" * 100)], now=NOW)
    longest = record(professional, "c1", 125, from_number="3" * 100, remarks="x" * 500)
    record_calls(records=[longest], now=NOW)
    assert words_of(professional)[1] == (
        f"Correction: 65 s → 125 s, from {'1' * 100} → {'3' * 100}, "
        f"remarks (none) → {'x' * 500}, 3 → 5 credits"
    )


def test_remarks_that_a_correction_leaves_come_after_it(professional: Account) -> None:
    record_calls(records=[record(professional, remarks="hot lead")], now=NOW)
    record_calls(records=[record(professional, seconds=125, remarks="hot lead")], now=NOW)
    assert words_of(professional)[1] == "Correction: 65 s → 125 s, 3 → 5 credits · hot lead"


def test_another_plan_by_another_start_is_said(professional: Account) -> None:
    hour = timedelta(hours=1)
    subscribe(account=professional, plan=Plan.objects.get(name="Base"), at=NOW - hour)
    record_calls(records=[record(professional, started_at=NOW - 2 * hour)], now=NOW)
    record_calls(records=[record(professional, started_at=NOW - hour)], now=NOW)
    assert words_of(professional)[1].endswith("plan Professional → Base, 3 → 4 credits")


def test_a_correction_to_before_the_subscription_says_why_it_is_free() -> None:
    moved = entry(
        kind="correction",
        credits=3,
        changes=json.dumps(
            {
                "started_at": ["2026-03-10T09:30:00+00:00", "2026-02-10T09:30:00+00:00"],
                "credits": [3, 0],
            }
        ),
    )
    assert words.of_entry(moved, grants={}, zone=KOLKATA) == (
        "Correction: started 10 Mar 2026, 15:00:00 → 10 Feb 2026, 15:00:00, 3 → 0 credits, "
        "before your subscription began, not charged"
    )


# ── Everything else ───────────────────────────────────────────────────────────────────────────
def test_plan_credits_name_plan_and_cycle_in_the_accounts_zone(professional: Account) -> None:
    assert said(professional, kind="plan_credits") == [
        "Professional: 1,500 credits of the cycle that began on 1 Mar 2026"
    ]


def test_a_top_up_names_its_receipt(professional: Account) -> None:
    post(top_up(professional, 500), at=NOW)
    bought = professional.top_ups.get()
    assert said(professional, kind="top_up") == [
        f"Top-up of 500 credits, receipt {bought.receipt_number}"
    ]


def test_credits_taken_back_and_given_back_name_the_top_up() -> None:
    taken = entry(kind="refund", credits=-310, top_up_id=7, remarks="Bought by mistake")
    returned = entry(kind="top_up", credits=310, top_up_id=7, reference="refund:7:2-0")
    assert [words.of_entry(each, grants={}, zone=UTC) for each in (taken, returned)] == [
        "Credits of top-up TU-000007 taken back: Bought by mistake",
        "Credits of top-up TU-000007 returned with its payment",
    ]


def test_an_adjustment_says_its_reason(professional: Account) -> None:
    post(goodwill(professional, 20, reason="Sorry for the outage"), at=NOW)
    assert said(professional, kind="adjustment") == ["Sorry for the outage"]


def test_an_expiry_says_what_it_is_of_and_how_much_was_left(professional: Account) -> None:
    post(call(professional, "a", 1_470, STARTED_AT), at=NOW)
    post(goodwill(professional, 1), at=NOW + timedelta(days=30))
    assert said(professional, kind="expiry") == [
        "Plan credits: 30 of 1,500 credits were not used and expired"
    ]


def test_an_expiry_that_is_taken_back_says_why(professional: Account) -> None:
    later = NOW + timedelta(days=30)
    post(goodwill(professional, 1), at=later)
    post(call(professional, "late", 12, STARTED_AT), at=later)
    assert said(professional, kind="expiry") == [
        "Plan credits: 1,500 of 1,500 credits were not used and expired",
        "Plan credits: 12 credits used before they expired",
    ]


def test_many_expiries_take_one_query_and_other_entries_none(
    professional: Account, django_assert_num_queries
) -> None:
    for number in range(1, 8):
        until = NOW + timedelta(hours=number)
        post(goodwill(professional, number, expires_at=until), at=NOW)
    post(goodwill(professional, 1), at=NOW + timedelta(days=1))
    entries = Entry.read(LedgerEntry.objects.filter(account=professional))
    expiries = [each for each in entries if each.kind == "expiry"]
    assert len(expiries) == 7
    with django_assert_num_queries(1):
        assert len(words.expired_grants(entries)) == 7
    with django_assert_num_queries(1):
        assert len(words.expired_grants(expiries[:1])) == 1
    with django_assert_num_queries(0):
        words.expired_grants([each for each in entries if each.kind != "expiry"])
