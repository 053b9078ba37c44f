"""What an import records: each call once, by all that its file says about it."""

import pytest

from billing.models import LedgerEntry
from calls.imports import staging
from calls.models import Call
from tests.audit import breaches
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines, rejects

pytestmark = pytest.mark.django_db


def test_the_same_file_again_changes_nothing(importing_file):
    content = lines(GOOD.format("c1", 10), GOOD.format("c2", 40))
    importing_file(content)
    before = list(LedgerEntry.objects.values()), list(Call.objects.values())
    outcome = importing_file(content)
    assert outcome.out.startswith("0 created, 2 unchanged, 0 corrected, 0 rejected; 0 credits")
    assert (list(LedgerEntry.objects.values()), list(Call.objects.values())) == before


def test_a_corrected_file_posts_the_differences(importing_file):
    importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 40)))
    outcome = importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 5)))
    assert outcome.out.startswith("0 created, 1 unchanged, 1 corrected, 0 rejected; -2 credits")
    assert breaches() == []


def test_a_call_that_stands_twice_is_decided_by_its_last_line_however_far_apart(importing_file):
    content = lines(
        GOOD.format("twice", 10),
        *(GOOD.format(f"c{number}", 10) for number in range(50)),
        GOOD.format("twice", 40),
    )
    assert importing_file(content, batch_size=7).out.startswith("51 created, 1 unchanged, 0 corr")
    assert Call.objects.get(call_id="twice").credits == 4
    assert importing_file(content, batch_size=7).out.startswith("0 created, 52 unchanged, 0 corr")


def test_the_file_order_is_the_booking_order(importing_file):
    importing_file(lines(*(GOOD.format(f"c{number}", 10) for number in range(9))), batch_size=4)
    booked = LedgerEntry.objects.exclude(call_id="").order_by("seq")
    assert list(booked.values_list("call_id", flat=True)) == [f"c{n}" for n in range(9)]


def test_a_value_beyond_the_columns_that_have_a_name_rejects_its_line(importing_file, tmp_path):
    assert importing_file(f"{HEADER},\n{GOOD.format('c1', 10)},x\n").code == 1
    assert rejects(tmp_path)[1][:3] == ["2", "line", "has 7 values, the header names 6 columns."]


def test_a_call_id_on_too_many_lines_is_taken_for_the_wrong_column(importing_file, monkeypatch):
    monkeypatch.setattr(staging, "LINES_PER_CALL_MAX", 3)
    assert importing_file(lines(*[GOOD.format("c1", 10)] * 3)).code == 0
    outcome = importing_file(lines(*[GOOD.format("same", 10)] * 4))
    assert outcome.refusal.endswith(
        "The call ID “same” stands on 4 lines; more than 3 are taken for a mistake."
    )


def test_lines_with_one_uniqueid_are_one_call_however_far_apart(importing_file):
    leg = (
        ASTERISK.format("1773135000.0")
        .replace("09:31:10", "09:33:10")
        .replace("09:30:00", "09:31:10")
        .replace("09:30:05", "09:31:10")
        .replace(",70,65,", ",120,120,")
    )
    other = [ASTERISK.format(f"1773135000.{number}") for number in range(1, 9)]
    content = "\n".join([ASTERISK.format("1773135000.0"), *other, leg])
    outcome = importing_file(content, format="asterisk", batch_size=3)
    assert outcome.out.splitlines() == [
        "9 created, 0 unchanged, 0 corrected, 0 rejected; 31 credits charged.",
        "Lines joined with another of the same call: 1.",
    ]
    assert Call.objects.get(call_id="1773135000.0").billable_seconds == 185
    again = importing_file(content, format="asterisk", batch_size=3)
    assert again.out.startswith("0 created, 9 unchanged")


def test_one_bad_leg_puts_all_lines_of_its_call_among_the_rejects(importing_file, tmp_path):
    content = "\n".join(
        [ASTERISK.format("1773135000.0"), ASTERISK.format("1773135000.0").replace(",70,", ",-1,")]
    )
    assert importing_file(content, format="asterisk").code == 1
    assert [row[:3] for row in rejects(tmp_path)[1:]] == [
        [
            "1",
            "line",
            "is of the same call as line 2, which can't be read; a part of a call is not charged "
            "as if it were all.",
        ],
        ["2", "duration", "is negative (-1)."],
    ]


def test_what_recording_rejects_is_said_in_the_words_of_the_file(importing_file, tmp_path):
    importing_file(ASTERISK.format("1773135000.0"), format="asterisk")
    later = ASTERISK.format("1773135000.0").replace("2026-03-10", "2026-03-11")
    assert importing_file(later, format="asterisk").code == 1
    assert rejects(tmp_path)[1][:2] == ["1", "uniqueid"]


def test_the_same_line_twice_without_uniqueid_is_one_call(importing_file):
    content = f"{ASTERISK.rsplit(',', 2)[0]}\n" * 2
    assert importing_file(content, format="asterisk").out.startswith("1 created")
