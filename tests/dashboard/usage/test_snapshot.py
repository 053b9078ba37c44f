"""The page is read as of one instant: what is booked meanwhile is in all of its numbers or none."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from billing.ledger.balances import balance_of
from billing.models import Account, User
from calls.usage import counts, report
from tests.calls.usage.test_report import read
from tests.clock import StopClock
from tests.dashboard.conftest import NOW, call, post

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("default_plans"),
]


def in_another_connection(action: object) -> None:
    def run() -> None:
        try:
            action()  # type: ignore[operator]
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_a_call_booked_between_two_queries_is_not_seen(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(call(account, "before", 1, NOW - timedelta(hours=2)))
    count = counts.counted_by_day

    def count_and_then_book(**kwargs):
        counted = count(**kwargs)
        in_another_connection(lambda: post(call(account, "meanwhile", 1, NOW)))
        return counted

    monkeypatch.setattr(report, "counted_by_day", count_and_then_book)
    page = read(account)
    assert [row.call_id for row in page.rows] == ["before"]
    assert page.last_seq == 1
    monkeypatch.undo()
    assert [row.call_id for row in read(account).rows] == ["meanwhile", "before"]


def test_the_frame_and_the_tiles_show_the_same_balance(
    client: Client,
    member: User,
    account: Account,
    monkeypatch: pytest.MonkeyPatch,
    stop_clock: StopClock,
) -> None:
    post(call(account, "before", 1, NOW))

    def book_and_then_read(account: Account):
        in_another_connection(lambda: post(call(account, "meanwhile", 1, NOW)))
        return balance_of(account)

    client.force_login(member)
    client.get("/a/acme/")
    monkeypatch.setattr(report, "balance_of", book_and_then_read)
    stop_clock(NOW)
    context = client.get("/a/acme/billing/usage/").context
    assert context["frame"].balance == context["usage"].totals.available_credits == -1
