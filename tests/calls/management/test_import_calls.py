"""The command that imports a file: its arguments, its input, and what it says."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.models import Call
from calls.sources import asterisk
from calls.sources.registry import SOURCES
from tests.calls.importing import ASTERISK, GOOD, HEADER, Outcome, lines, rejects
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db


def test_a_file_is_recorded_and_summed_up(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10), GOOD.format("c2", 40)))
    assert outcome.code == 0
    assert outcome.out == ("2 created, 0 unchanged, 0 corrected, 0 rejected; 7 credits charged.\n")
    assert list(Call.objects.order_by("call_id").values_list("call_id", "credits")) == [
        ("c1", 3),
        ("c2", 4),
    ]


def test_one_credit_is_not_called_credits(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10).replace("09:31:10", "09:30:10")))
    assert outcome.out.endswith("; 1 credit charged.\n")


def test_times_without_offset_are_in_the_accounts_zone(importing_file):
    importing_file(lines(GOOD.format("c1", 10)))
    assert Call.objects.get().started_at == datetime(2026, 3, 10, 4, 0, tzinfo=UTC)


def test_another_zone_can_be_named(importing_file):
    importing_file(lines(GOOD.format("c1", 10)), time_zone="Europe/London")
    assert Call.objects.get().started_at == datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


def test_a_master_csv_is_recorded(importing_file):
    content = "\n".join(ASTERISK.format(f"1773135000.{number}") for number in range(3))
    outcome = importing_file(content, format="asterisk", inbound_contexts=["default"])
    assert outcome.out == ("3 created, 0 unchanged, 0 corrected, 0 rejected; 9 credits charged.\n")
    assert set(Call.objects.values_list("usage_type", flat=True)) == {"inbound"}


def test_a_file_that_is_not_as_named_is_told_with_what_it_looks_like(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10)), format="asterisk")
    assert outcome.refusal.endswith(
        "The first line has 6 columns; Asterisk's Master.csv has 16 to 21. "
        "It looks like --format csv (CSV with our columns)."
    )


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (HEADER, {}),
        (f"{HEADER}\n\n,,,,,\n", {}),
        (",".join([*asterisk.COLUMNS, "uniqueid"]), {"format": "asterisk"}),
    ],
)
def test_no_records_after_the_header_are_no_fault_but_are_said(
    importing_file, tmp_path, content, options
):
    outcome = importing_file(content, **options)
    assert outcome.code == 0
    assert outcome.out.startswith("0 created, 0 unchanged")
    assert outcome.error == f"{tmp_path / 'calls.csv'}: no records after the header.\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"account": "acmee"}, "There is no account “acmee”. Did you mean: acme?"),
        ({"account": "zzz"}, "There is no account “zzz”."),
        (
            {"time_zone": "Mars"},
            "“Mars” is not a time zone. Use a name such as Asia/Kolkata.",
        ),
        (
            {"usage_type": "inbound"},
            "--usage-type goes with --format asterisk or freeswitch, not with csv.",
        ),
        ({"format": "Asterix"}, "There is no format “Asterix”. Did you mean: asterisk?"),
        ({"format": "zzz"}, f"There is no format “zzz”. Known are: {', '.join(SOURCES)}."),
        ({"batch_size": 0}, "--batch-size must be at least 1."),
    ],
)
def test_a_bad_argument_gets_one_clear_line(importing_file, options, message):
    outcome = importing_file(lines(GOOD.format("c1", 10)), **options)
    assert (outcome.code, outcome.refusal) == (2, message)


def test_an_account_without_plan_gets_one_clear_line_before_anything_is_read(tmp_path):
    AccountFactory(slug="new", name="New Company")
    outcome = Outcome(str(tmp_path / "missing.csv"), account="new")
    assert (outcome.code, outcome.refusal) == (
        2,
        "Calls of New Company can't be charged: the account has no plan. "
        "Put it on a plan, then try again.",
    )


def test_rejects_without_a_name_get_one_clear_line(importing_file):
    outcome = importing_file(lines(GOOD.format("c1", 10)), rejects=Path())
    assert (outcome.code, outcome.refusal.partition(" --rejects")[0]) == (2, ".: Is a directory.")


def test_a_path_that_is_no_readable_file_gets_one_clear_line(tmp_path, professional):
    outcome = Outcome(str(tmp_path / "missing.csv"), account="acme")
    assert (outcome.code, outcome.refusal) == (
        2,
        f"{tmp_path / 'missing.csv'}: No such file or directory.",
    )


def test_standard_input_is_recorded_and_its_rejects_are_in_the_current_directory(piped, tmp_path):
    outcome = piped(lines(GOOD.format("c1", 10), "x"))
    assert outcome.code == 1
    assert outcome.out.startswith("1 created, 0 unchanged, 0 corrected, 1 rejected; 3 credits")
    assert str(tmp_path / "standard-input.rejects.csv") in outcome.error
    assert rejects(tmp_path, "standard-input.rejects.csv")[1][0] == "3"


def test_a_bad_standard_input_is_called_so(piped):
    assert piped("").refusal == "Standard input: The file is empty."
