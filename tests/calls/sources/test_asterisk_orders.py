"""What Asterisk's records say, whichever of its modules wrote them and however."""

from datetime import UTC, datetime
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest

from calls.notations import RawRecord
from calls.records import CallRecord, Rejected
from calls.sources import Ignored
from calls.sources.asterisk import AsteriskCsv
from calls.sources.asterisk.columns import BASE, NEWER, ORDERS
from tests.calls.sources.asterisk_rows import VALUES, row_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NEWEST = (*BASE, "uniqueid", "userfield", *NEWER)
FREEPBX = ORDERS[-1]


def source_of(zone="UTC", **options):
    return AsteriskCsv(account_id=7, zone=ZoneInfo(zone), now=NOW, **options)


def read(*values, **options):
    """All that the records of one call say together."""
    raw = [RawRecord(number, "text", one) for number, one in enumerate(values, start=1)]
    return [one.record for one in source_of(**options).read(raw)]


def read_file(text, **options):
    source = source_of(**options)
    return [next(source.read([raw])).record for raw in source.reader(BytesIO(text.encode()))]


def times(record):
    assert isinstance(record, CallRecord), record
    told = (record.started_at, record.connected_at, record.ended_at)
    return [at and f"{at:%H:%M:%S.%f}".rstrip("0").rstrip(".") for at in told]


def numbered(order):
    return "-".join((str(len(order)), *order[:1], *order[16:]))


@pytest.mark.parametrize("order", ORDERS, ids=numbered)
def test_every_order_gives_the_same_call(order):
    [record] = read(row_of(order))
    assert times(record) == ["10:00:00", "10:00:07", "10:01:12"]
    assert (record.from_number, record.to_number, record.status) == (
        "1001",
        "15550100",
        "completed",
    )
    assert record.remarks == ("vip" if "userfield" in order else "")
    expected = "1795168799.0" if "linkedid" in order else "1795168800.1"
    if expected == "1795168800.1" and "uniqueid" not in order:
        expected = record.call_id
        assert expected.startswith("asterisk-")
    assert record.call_id == expected


@pytest.mark.parametrize("order", [NEWEST, FREEPBX], ids=numbered)
def test_a_header_names_columns_in_any_order(order):
    shuffled = sorted(order)
    text = ",".join(shuffled) + "\n" + ",".join(f'"{one}"' for one in plain(shuffled)) + "\n"
    [record] = read_file(text)
    assert times(record) == ["10:00:00", "10:00:07", "10:01:12"]


def plain(order):
    return [one.replace('"', "") for one in row_of(order)]


def test_a_record_of_json_is_read_by_its_names():
    values = {name: VALUES[name] for name in sorted(NEWEST)}
    no_talk = {"answer": "0", "disposition": "0", "billsec": "0", "duration": "71.5"}
    [record] = read({**values, "start": "1795168800.5", **no_talk})
    assert times(record) == ["10:00:00.5", None, "10:01:12"]


@pytest.mark.parametrize(
    ("number", "status"),
    [("0", "no_answer"), ("2", "failed"), ("4", "busy"), ("16", "failed"), ("CANCEL", "no_answer")],
)
def test_dispositions_are_words_or_numbers(number, status):
    [record] = read(row_of(NEWEST, disposition=number, answer="", billsec="0"))
    assert record.status == status


def test_number_8_is_answered():
    [record] = read(row_of(NEWEST, disposition="8", amaflags="3"))
    assert record.status == "completed"


@pytest.mark.parametrize("nothing", ["", "NULL", r"\N", "0000-00-00 00:00:00", "0"])
def test_an_answer_that_never_was_has_many_names(nothing):
    [record] = read(row_of(NEWEST, disposition="BUSY", answer=nothing, billsec="0"))
    assert times(record) == ["10:00:00", None, "10:01:12"]


def test_seconds_with_decimals_are_finer_than_the_times():
    custom = ORDERS[11]
    [record] = read(row_of(custom, duration="72.600000", billsec="65.2500001"))
    assert times(record) == ["10:00:00", "10:00:07.349999", "10:01:12.6"]


def test_epoch_seconds_need_no_zone():
    [record] = read(
        row_of(NEWEST, start="1795168800", answer="1795168807", end="1795168872"),
        zone="Asia/Kolkata",
    )
    assert times(record) == ["10:00:00", "10:00:07", "10:01:12"]


def test_seconds_that_were_rounded_up_agree():
    [record] = read(row_of(NEWEST, billsec="66"))
    assert times(record) == ["10:00:00", "10:00:07", "10:01:12"]


@pytest.mark.parametrize(
    ("dates", "started_on"), [("dmy", "2026-11-10"), ("mdy", "2026-10-11"), ("ymd", None)]
)
def test_dates_that_a_spreadsheet_rewrote_are_read_in_the_order_that_is_said(dates, started_on):
    told = "10/11/2026 10:00"
    [record] = read(row_of(NEWEST, start=told, answer=told, end=told), dates=dates)
    if started_on is None:
        assert str(record) == "start: is “10/11/2026 10:00”; write it like 2026-11-23T14:05:09."
    else:
        assert record.started_at.date().isoformat() == started_on


def test_talk_time_decides_where_times_have_no_seconds():
    told = {"start": "20/11/2026 22:41", "answer": "20/11/2026 22:41", "end": "20/11/2026 22:41"}
    [record] = read(row_of(NEWEST, **told, duration="15", billsec="9"), dates="dmy")
    assert times(record) == ["22:41:00", "22:41:06", "22:41:15"]


def test_freepbx_names_the_number_that_was_called_and_so_the_direction():
    [record] = read(row_of(FREEPBX, src="15550111", dst="s", did="15550199"))
    assert (record.usage_type, record.to_number) == ("inbound", "15550199")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"billsec": "80"}, "billsec: is longer than the duration (72 s)."),
        ({"calldate": "0000-00-00 00:00:00"}, "calldate: is missing."),
    ],
)
def test_a_row_without_an_end_that_contradicts_itself_is_rejected(changes, said):
    [record] = read(row_of(FREEPBX, **changes))
    assert str(record) == said


# ── Legs ──────────────────────────────────────────────────────────────────────────────────────
def leg(start, answer, end, disposition="ANSWERED", billsec=None, **changes):
    """A row from ``start`` to ``end``, seconds after ten o'clock."""

    def at(second):
        return "" if second is None else f"2026-11-20 10:{second // 60:02}:{second % 60:02}"

    talk = 0 if answer is None else end - answer
    return row_of(
        NEWEST,
        start=at(start),
        answer=at(answer),
        end=at(end),
        duration=str(end - start),
        billsec=str(talk if billsec is None else billsec),
        disposition=disposition,
        **changes,
    )


def test_legs_of_one_linkedid_have_one_call_id_though_their_uniqueids_differ():
    source = source_of()
    rows = [leg(0, 2, 30), leg(3, 5, 29, uniqueid="1795168803.2")]
    assert {source.call_id(row) for row in rows} == {"1795168799.0"}


def test_a_call_of_one_leg_has_the_id_that_it_has_in_a_file_without_linkedids():
    source = source_of()
    newest = row_of(NEWEST, linkedid=VALUES["uniqueid"])
    assert source.call_id(newest) == source.call_id(row_of(ORDERS[3])) == VALUES["uniqueid"]


def test_a_linkedid_that_is_none_is_not_taken_for_one():
    assert source_of().call_id(row_of(NEWEST, linkedid="0")) == VALUES["uniqueid"]


def test_parallel_legs_connect_at_the_least_answer_and_end_at_the_greatest_end_with_talk():
    [record] = read(
        leg(0, None, 20, "NO ANSWER", uniqueid="1795168800.2"),
        leg(0, 8, 50, uniqueid="1795168800.3"),
        leg(5, 6, 66, "NO ANSWER", uniqueid="1795168805.4"),
        leg(60, 90, 90, uniqueid="1795168860.5"),
    )
    assert times(record) == ["10:00:00", "10:00:06", "10:01:06"]


def test_a_call_that_was_answered_for_less_than_a_second_was_answered():
    [record] = read(leg(0, 5, 5))
    assert (record.status, times(record)) == ("completed", ["10:00:00", "10:00:05", "10:00:05"])


# ── What is no call for billing ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("ends", "internal"),
    [
        (("1001", "1002"), True),
        (("1001", "*60"), True),
        (("1001", "s"), True),
        (("1001", "h"), True),
        (("1001", "15550100"), False),
        (("15550100", "s"), False),
        (("15550100", "1001"), False),
        (("", "1001"), False),
        (("anonymous", "1001"), False),
    ],
)
def test_internal_calls_are_ignored_where_it_is_said(ends, internal):
    row = row_of(NEWEST, src=ends[0], dst=ends[1])
    [ignoring] = read(row, internal_calls="ignore")
    [charging] = read(row)
    assert isinstance(ignoring, Ignored) == internal
    assert isinstance(charging, CallRecord)


def test_calls_of_a_context_are_ignored_where_it_is_said():
    [record] = read(row_of(NEWEST), ignored_contexts=["from-internal"])
    assert isinstance(record, Ignored)
    assert "from-internal" in record.reason


def test_an_internal_leg_of_a_call_that_came_from_outside_belongs_to_it():
    inside = leg(20, 22, 90, src="1001", dst="1002", uniqueid="1795168820.2")
    [record] = read(leg(0, 5, 30), inside, internal_calls="ignore")
    assert times(record) == ["10:00:00", "10:00:05", "10:01:30"]


def test_a_bad_leg_is_rejected_though_its_call_would_be_ignored():
    [record] = read(row_of(NEWEST, src="1001", dst="1002", billsec="x"), internal_calls="ignore")
    assert isinstance(record, Rejected)
