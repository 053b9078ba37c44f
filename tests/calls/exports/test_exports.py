"""Files that a worker makes: what would have been sent at once, for one person, for a day."""

import csv
import gzip
import io
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from billing.accounts.opening import change_time_zone
from billing.ledger.balances import balance_of
from billing.models import Account, User
from billing.refusals import Refusal
from calls.exports import asking, files, keeping, limits, making, selectors
from calls.models import Export, ExportPart, ExportState
from calls.usage import export as streaming
from calls.usage.filters import UsageFilters
from tests.calls.exports.exporting import asked, now_of, text_of, worked
from tests.calls.usage.test_report import WEEK
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, correction, post
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def busy(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    """17 rows, for pieces of 7."""
    monkeypatch.setattr(streaming, "ROWS_PER_READ", 7)
    post(*(call(account, f"c-{n}", n % 4, NOW - timedelta(hours=n // 3)) for n in range(16)))
    post(correction(account, "c-3", 1, NOW))
    return account


def streamed(account: Account, **filters: Any) -> str:
    lines = streaming.export_csv(account=account, period=WEEK, filters=UsageFilters(**filters))
    return "".join(lines)


def at(now: datetime) -> Callable[[], datetime]:
    """A clock that stands."""
    return lambda: now


def rows_of(text: str) -> list[list[str]]:
    """The lines without what a call's record tells now, which a correction changes."""
    return [line[:12] for line in csv.reader(io.StringIO(text))]


# ── The file ──────────────────────────────────────────────────────────────────────────────────
def test_compressed_it_is_one_file_of_the_announced_length(busy: Account, member: User) -> None:
    export = worked(asked(busy, member))
    packed = b"".join(files.as_gzip(export, name=b"abc"))
    assert len(packed) == files.gzip_size(export, name=b"abc")
    assert gzip.decompress(packed).decode() == streamed(busy)
    # Browsers read the first member only.
    assert packed.count(files.GZIP_HEAD[:4]) == 1


def test_the_file_has_the_rows_of_the_page_on_which_it_was_asked_for(
    busy: Account, member: User
) -> None:
    before = streamed(busy)
    seen = balance_of(busy).last_seq
    post(call(busy, "late", 1, NOW), correction(busy, "c-1", 1, NOW))
    export = asked(busy, member, last_seq=seen)
    assert export.rows_expected == before.count("\r\n") - 1
    post(call(busy, "later", 1, NOW))
    assert rows_of(text_of(worked(export))) == rows_of(before)


@pytest.mark.parametrize("last_seq", [None, 0, -5, 10**15])
def test_without_a_state_that_there_was_it_is_that_of_now(
    busy: Account, member: User, last_seq: int | None
) -> None:
    assert asked(busy, member, last_seq=last_seq).last_seq == balance_of(busy).last_seq


def test_what_is_booked_between_two_slices_is_left_out(
    busy: Account, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    before = streamed(busy)
    export = asked(busy, member)
    for number in range(2):
        assert making.work(clock=lambda: NOW)
        post(call(busy, f"meanwhile-{number}", 1, NOW - timedelta(hours=number)))
    assert text_of(worked(export)) == before


def test_an_account_that_moves_meanwhile_keeps_the_clock_of_the_page(
    busy: Account, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    before = streamed(busy)
    export = asked(busy, member)
    making.work(clock=lambda: NOW)
    change_time_zone(account=busy, time_zone="Europe/London")
    assert text_of(worked(export)) == before


def test_the_worker_asks_as_often_as_there_are_pieces(
    account: Account, member: User, django_assert_max_num_queries: Any
) -> None:
    insert_calls(account, 6_500, last_at=NOW, days=5)
    export = asked(account, member)
    with django_assert_max_num_queries(20 + 4 * 7):
        assert worked(export).rows == 6_500


# ── Asking ────────────────────────────────────────────────────────────────────────────────────
def test_asked_for_twice_it_is_made_once(busy: Account, member: User, owner: User) -> None:
    first = asked(busy, member)
    assert asked(busy, member) == first
    assert worked(first).state == ExportState.READY
    assert asked(busy, member) == first
    assert asked(busy, owner) != first
    assert asked(busy, member, usage_type="outbound") != first
    post(call(busy, "new", 1, NOW))
    assert asked(busy, member) != first


def test_a_person_may_have_so_many(busy: Account, member: User, owner: User) -> None:
    for number in range(limits.OPEN_OF_PERSON_MAX):
        last = asked(busy, member, last_seq=number + 1)
    with pytest.raises(Refusal, match="You have 5 files here already"):
        asked(busy, member, last_seq=12)
    asked(busy, owner, last_seq=12)
    asking.delete(export=last)
    assert asked(busy, member, last_seq=12)


def test_an_account_may_have_so_many(busy: Account, member: User) -> None:
    people = [MembershipFactory(account=busy).user for _ in range(4)]
    for person in people:
        for number in range(limits.OPEN_OF_PERSON_MAX):
            asked(busy, person, last_seq=number + 1)
    with pytest.raises(Refusal, match="Acme Voice has 20 files already"):
        asked(busy, member)


def test_nothing_to_be_seen_is_no_file(account: Account, member: User) -> None:
    with pytest.raises(Refusal, match="no rows"):
        asked(account, member)
    assert not Export.objects.exists()


# ── States ────────────────────────────────────────────────────────────────────────────────────
def test_cancelled_in_the_middle_nothing_is_left(
    busy: Account, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    export = asked(busy, member)
    assert making.work(clock=lambda: NOW)
    assert now_of(export).rows == 7
    asking.cancel(export=export, now=NOW)
    assert not making.work(clock=lambda: NOW)
    keeping.delete_old(now=NOW)
    found = now_of(export)
    assert (found.state, found.rows, found.stored_size) == (ExportState.CANCELLED, 0, 0)
    assert not ExportPart.objects.exists()


def test_cancelled_while_a_piece_is_read_it_stays_cancelled(
    busy: Account, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = asked(busy, member)

    def pieces_of(*args: Any, **kwargs: Any) -> Iterator[streaming.Piece]:
        for piece in streaming.pieces_of(*args, **kwargs):
            asking.cancel(export=export, now=NOW)
            yield piece

    monkeypatch.setattr(making, "pieces_of", pieces_of)
    making.work(clock=lambda: NOW)
    assert now_of(export).state == ExportState.CANCELLED
    assert not ExportPart.objects.exists()


def test_what_was_cancelled_is_made_again_with_the_same_rows(busy: Account, member: User) -> None:
    before = streamed(busy)
    export = asking.cancel(export=asked(busy, member), now=NOW)
    post(call(busy, "new", 1, NOW))
    assert text_of(worked(asking.make_again(export=export, now=NOW))) == before


def test_a_file_is_kept_for_a_day_and_told_of_for_a_month(busy: Account, member: User) -> None:
    export = worked(asked(busy, member))
    assert export.expires_at == NOW + DAY
    keeping.delete_old(now=NOW + DAY - timedelta(seconds=1))
    assert files.is_whole(now_of(export))
    keeping.delete_old(now=NOW + DAY)
    found = now_of(export)
    assert (found.state, found.rows) == (ExportState.EXPIRED, export.rows)
    assert not ExportPart.objects.exists()
    keeping.delete_old(now=NOW + limits.LISTED_FOR + timedelta(seconds=1))
    assert not Export.objects.exists()


def test_an_expired_file_is_made_again(busy: Account, member: User) -> None:
    before = streamed(busy)
    export = worked(asked(busy, member))
    keeping.delete_old(now=NOW + DAY)
    again = worked(asking.make_again(export=export, now=NOW + DAY), now=NOW + DAY)
    assert text_of(again) == before
    assert (again.rows, again.expires_at) == (export.rows, NOW + 2 * DAY)


def test_a_deleted_file_is_gone_at_once_and_its_parts_soon(busy: Account, member: User) -> None:
    export = worked(asked(busy, member))
    asking.delete(export=export)
    assert not selectors.exports_of(account=busy, by=member).exists()
    keeping.delete_old(now=NOW)
    assert not Export.objects.exists()
    assert not ExportPart.objects.exists()


@pytest.mark.parametrize("leaves", ["membership", "inactive"])
def test_for_who_has_left_nothing_is_made_or_kept(
    busy: Account, member: User, owner: User, leaves: str
) -> None:
    ready, waiting = worked(asked(busy, member)), asked(busy, member, usage_type="outbound")
    if leaves == "membership":
        member.memberships.all().delete()
    else:
        User.objects.filter(pk=member.pk).update(is_active=False)
    making.work(clock=lambda: NOW)
    assert not Export.objects.filter(pk=waiting.pk).exists()
    keeping.delete_old(now=NOW)
    assert not Export.objects.filter(pk=ready.pk).exists()
    assert not ExportPart.objects.exists()


def test_a_restored_backup_has_no_parts_so_they_are_made_anew(
    busy: Account, member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = worked(asked(busy, member))
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    half = asked(busy, member, kind="call")
    making.work(clock=lambda: NOW)
    ExportPart.objects.all().delete()
    assert not files.is_whole(ready)
    assert text_of(worked(half)) == streamed(busy, kind="call")


def test_the_one_that_has_waited_longest_is_next(
    busy: Account, member: User, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SLICE", timedelta(0))
    first, second = asked(busy, member), asked(busy, owner, now=NOW + timedelta(seconds=1))
    order = []
    for number in range(4):
        now = NOW + timedelta(seconds=10 + number)
        making.work(clock=at(now))
        order.append((now_of(first).pieces, now_of(second).pieces))
    assert order == [(1, 0), (1, 1), (2, 1), (2, 2)]


# ── Trouble ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def full_disk(db: None) -> Iterator[None]:
    """No part can be stored: what PostgreSQL says when a tablespace has no room left."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
            END $$
            """
        )
        cursor.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON calls_exportpart "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER IF EXISTS refuse ON calls_exportpart")
        cursor.execute("DROP FUNCTION IF EXISTS refuse")


def room_again() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON calls_exportpart")


def attempt(times: int) -> None:
    """Attempt as often, as far apart as a sweeper does."""
    for number in range(times):
        now = NOW + number * 2 * limits.AGAIN_AFTER
        assert number == 0 or keeping.has_stalled(now=now)
        with pytest.raises(OperationalError):
            making.work(clock=at(now))
        assert not making.work(clock=at(now))  # not at once again


def test_while_the_disk_is_full_it_is_attempted_again_and_then_said(
    busy: Account, member: User, full_disk: None
) -> None:
    export = asked(busy, member)
    attempt(making.FAILURES_MAX)
    assert now_of(export).state == ExportState.MAKING
    later = NOW + timedelta(hours=1)
    assert not making.work(clock=lambda: later)
    found = now_of(export)
    assert (found.state, found.said) == (ExportState.FAILED, making.NO_ROOM)
    assert not ExportPart.objects.exists()
    room_again()
    again = worked(asking.make_again(export=found, now=later), now=later)
    assert (again.state, again.said) == (ExportState.READY, "")
    assert text_of(again) == streamed(busy)


def test_with_room_again_it_goes_on_by_itself(busy: Account, member: User, full_disk: None) -> None:
    export = asked(busy, member)
    attempt(2)
    room_again()
    found = worked(export, now=NOW + timedelta(hours=1))
    assert (found.state, text_of(found)) == (ExportState.READY, streamed(busy))


def test_a_fault_of_ours_is_logged_and_said_after_five_attempts(
    busy: Account,
    member: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    export = asked(busy, member)
    monkeypatch.setattr(streaming, "_record_cells", lambda facts: 1 / 0)
    for number in range(making.FAILURES_MAX + 1):
        assert now_of(export).state == ExportState.MAKING
        now = NOW + number * 2 * limits.AGAIN_AFTER
        assert not making.work(clock=at(now))
    assert (now_of(export).state, now_of(export).said) == (ExportState.FAILED, making.FAILED)
    assert caplog.text.count("was interrupted") == making.FAILURES_MAX


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("default_plans")
def test_two_that_ask_at_once_do_not_both_take_the_last_place(
    account: Account, member: User
) -> None:
    insert_calls(account, 50, last_at=NOW, days=2)
    for number in range(limits.OPEN_OF_PERSON_MAX - 1):
        asked(account, member, last_seq=number + 1)
    outcomes: list[object] = []

    def ask(last_seq: int) -> None:
        try:
            outcomes.append(asked(account, member, last_seq=last_seq))
        except Refusal:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=[30 + number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(None) == 3
    assert Export.objects.count() == limits.OPEN_OF_PERSON_MAX


def test_nobody_else_finds_it(busy: Account, member: User, owner: User) -> None:
    export = asked(busy, member)
    found = selectors.export_of(account=busy, by=member, public_id=export.public_id)
    assert found == export
    for other in (owner, UserFactory()):
        assert selectors.export_of(account=busy, by=other, public_id=export.public_id) is None
