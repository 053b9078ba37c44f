"""Changing the order of an account's sources: what it would do, and the calls that follow."""

import pytest

from billing.models import LedgerEntry
from billing.refusals import Refusal
from calls import ordering
from calls.charging import record_calls
from calls.models import Call, CallSource, OrderChange
from calls.reporters import of_source
from tests.audit import breaches
from tests.calls.calling import NOW, balance, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def sources(professional):
    """Three sources, of which the first two tell five calls: 3 credits each, or 4."""
    sources = [
        CallSource.objects.create(
            account=professional, kind="vapi", name=name, position=position, created_at=NOW
        )
        for position, name in enumerate(["first", "second", "third"], 1)
    ]
    for source, seconds, letter in ((sources[0], 65, "a"), (sources[1], 95, "b")):
        told = [
            record(professional, f"{letter}{number}", seconds, carrier_id=f"CA{number}")
            for number in range(5)
        ]
        record_calls(records=told, now=NOW, reporter=of_source(source.pk))
    return [source.pk for source in sources]


def follow(change, limit=2):
    """Let all calls follow; return how many steps it took."""
    steps = 1
    while ordering.follow_order(change_id=change.pk, now=NOW, limit=limit):
        steps += 1
    return steps


def test_a_preview_says_what_would_change_and_changes_nothing(professional, sources):
    first, second, third = sources
    entries = LedgerEntry.objects.count()
    preview = ordering.preview_order(
        account_id=professional.pk, source_ids=[second, third, first], now=NOW
    )
    assert preview == ordering.Preview(corrected=5, credits=5, looked_at=5)
    same = ordering.preview_order(
        account_id=professional.pk, source_ids=[first, third, second], now=NOW
    )
    assert same == ordering.Preview(looked_at=5)
    assert LedgerEntry.objects.count() == entries


def test_calls_follow_in_steps_and_back(professional, sources):
    first, second, third = sources
    change = ordering.change_order(
        account_id=professional.pk, source_ids=[second, third, first], now=NOW
    )
    assert follow(change) == 4
    change.refresh_from_db()
    assert (change.corrected, change.credits, change.finished_at) == (5, 5, NOW)
    assert balance(professional) == 1_500 - 5 * 4
    assert set(Call.objects.values_list("credits", "reporter")) == {(4, of_source(second))}
    assert (breaches(), ordering.under_way()) == ([], [])
    follow(ordering.change_order(account_id=professional.pk, source_ids=sources, now=NOW))
    assert balance(professional) == 1_500 - 5 * 3
    assert breaches() == []


def test_another_change_overtakes_one_that_calls_still_follow(professional, sources):
    first, second, third = sources
    change = ordering.change_order(
        account_id=professional.pk, source_ids=[second, first, third], now=NOW
    )
    ordering.follow_order(change_id=change.pk, now=NOW, limit=2)
    back = ordering.change_order(account_id=professional.pk, source_ids=sources, now=NOW)
    assert not ordering.follow_order(change_id=change.pk, now=NOW)
    follow(back)
    assert balance(professional) == 1_500 - 5 * 3
    assert breaches() == []


@pytest.mark.parametrize("missing", [[], [0], [0, 1, 2, 2]], ids=["none", "one", "one twice"])
def test_an_order_must_name_every_source_once(professional, sources, missing):
    with pytest.raises(Refusal, match="Reload the page"):
        ordering.change_order(
            account_id=professional.pk, source_ids=[sources[place] for place in missing], now=NOW
        )
    assert not OrderChange.objects.exists()


def test_a_deleted_source_keeps_its_place(professional, sources):
    first, second, third = sources
    CallSource.objects.filter(pk=second).update(deleted_at=NOW)
    ordering.change_order(account_id=professional.pk, source_ids=[third, first], now=NOW)
    assert list(CallSource.objects.order_by("position").values_list("pk", flat=True)) == [
        third,
        second,
        first,
    ]
