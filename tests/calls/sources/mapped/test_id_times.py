from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from calls.sources.mapped.id_times import IdProof, offset_in_words, time_in_id, zone_of_offset

AT = datetime(2026, 11, 20, 4, 30, 0, tzinfo=UTC)


def uuid7(at):
    return str(UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | 1 << 63 | 12345))


def uuid1(at):
    ticks = int(at.timestamp()) * 10_000_000 + 122_192_928_000_000_000
    low, middle, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48
    return f"{low:08x}-{middle:04x}-1{high:03x}-8000-0123456789ab"


def ulid(at):
    letters, value = "", int(at.timestamp() * 1000)
    for _ in range(10):
        letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[value % 32] + letters
        value //= 32
    return letters + "0123456789ABCDEF"


@pytest.mark.parametrize(
    "call_id",
    [
        f"{int(AT.timestamp())}.12",
        f"pbx1-{int(AT.timestamp())}.12",
        uuid7(AT),
        uuid7(AT).upper(),
        uuid1(AT),
        ulid(AT),
    ],
)
def test_ids_that_have_the_time_at_which_they_were_made(call_id):
    assert time_in_id(call_id) == AT


@pytest.mark.parametrize(
    "call_id",
    [
        "",
        "C-881",
        "1795235400",
        "7d1c1e4e-0000-4000-8000-0123456789ab",
        "00000000-0000-7000-8000-000000000000",
        "CA0123456789abcdef0123456789abcdef",
    ],
)
def test_ids_that_have_none(call_id):
    assert time_in_id(call_id) is None


def proof(*hours, zone="UTC"):
    """What is proven by rows that are so many hours ahead of their IDs."""
    found = IdProof(ZoneInfo(zone))
    for number, ahead in enumerate(hours):
        in_id = AT + timedelta(minutes=number)
        found.add((in_id + timedelta(hours=ahead)).replace(tzinfo=None), in_id)
    return found


def test_most_rows_must_agree_on_a_quarter_of_an_hour():
    assert proof(*[5.5] * 9, 0.3).offset == timedelta(hours=5.5)
    assert proof(*[5.5] * 8, 0.3, 0.3).offset is None
    assert proof(5.49, 5.51, 5.5).offset == timedelta(hours=5.5)
    assert proof(0.12, 0.12, 0.12).offset is None


def test_two_rows_prove_nothing():
    assert proof(5.5, 5.5).offset is None


def test_no_zone_is_a_day_away():
    assert proof(24, 24, 24).offset is None


def test_the_wall_clock_of_a_zone_is_proven_over_its_changes():
    found = IdProof(ZoneInfo("Europe/Berlin"))
    for month, ahead in ((1, 1), (2, 1), (7, 2), (8, 2)):
        in_id = AT.replace(month=month)
        found.add((in_id + timedelta(hours=ahead)).replace(tzinfo=None), in_id)
    assert found.is_of_zone
    assert found.offset is None


@pytest.mark.parametrize("hours", [-11, -7, 0, 3, 3.5, 5.5, 5.75, 9.5, 13])
def test_a_zone_with_an_offset(hours):
    name = zone_of_offset(timedelta(hours=hours))
    assert name is not None
    assert AT.astimezone(ZoneInfo(name)).utcoffset() == timedelta(hours=hours)


def test_an_offset_that_no_zone_has_all_year():
    assert zone_of_offset(timedelta(hours=8.75)) is None


@pytest.mark.parametrize(
    ("hours", "words"), [(0, "UTC+0"), (5.5, "UTC+5:30"), (-7, "UTC-7"), (-3.5, "UTC-3:30")]
)
def test_an_offset_in_words(hours, words):
    assert offset_in_words(timedelta(hours=hours)) == words
