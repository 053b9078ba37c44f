"""How often somebody may be wrong, and how long they wait then."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from billing.accounts.attempts import (
    Counter,
    TooManyAttempts,
    begin_attempt,
    clear_attempts,
    password_counters,
    succeed,
    use_code,
    visitor_of,
)
from billing.models import SignInAttempts, UsedCode, User

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
COUNTER = Counter(visitor="203.0.113.1", target="somebody", free=5)


def fail(at: datetime, counter: Counter = COUNTER) -> int:
    """Make an attempt that fails; give how many seconds it had to wait instead, if it had."""
    try:
        begin_attempt(counters=[counter], what="wrong passwords", now=at)
    except TooManyAttempts as refusal:
        return refusal.wait_seconds
    return 0


@pytest.mark.django_db
def test_waits_grow_from_half_a_minute_to_an_hour() -> None:
    at, waits = AT, []
    for _ in range(4):
        assert fail(at) == 0
    for _ in range(10):
        assert fail(at) == 0
        waits.append(fail(at))
        at += timedelta(seconds=waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "30 seconds"), (29, "1 second."), (29.5, "1 second.")]
)
def test_a_refusal_says_how_long_to_wait(seconds: float, said: str) -> None:
    for _ in range(5):
        fail(AT)
    with pytest.raises(TooManyAttempts, match=said):
        begin_attempt(
            counters=[COUNTER], what="wrong passwords", now=AT + timedelta(seconds=seconds)
        )


@pytest.mark.django_db
def test_another_visitor_and_another_person_go_on() -> None:
    for _ in range(5):
        fail(AT)
    assert fail(AT, Counter(visitor="203.0.113.2", target="somebody", free=5)) == 0
    assert fail(AT, Counter(visitor="203.0.113.1", target="other", free=5)) == 0


@pytest.mark.django_db
def test_a_success_forgives_the_person_and_not_the_visitor() -> None:
    counters = password_counters(visitor="203.0.113.1", address="asha@example.com")
    for _ in range(3):
        begin_attempt(counters=counters, what="wrong passwords", now=AT)
    succeed(counters=counters)
    (row,) = SignInAttempts.objects.all()
    assert (row.target, row.failures) == ("", 2)


@pytest.mark.django_db
def test_failures_are_forgotten_after_a_day_and_their_rows_cleared() -> None:
    for _ in range(5):
        fail(AT)
    tomorrow = AT + timedelta(days=1, seconds=1)
    assert [fail(tomorrow) for _ in range(5)] == [0] * 5
    clear_attempts(now=tomorrow + timedelta(days=2))
    assert not SignInAttempts.objects.exists()


@pytest.mark.django_db
def test_what_is_typed_as_an_address_is_not_kept() -> None:
    counters = password_counters(visitor="203.0.113.1", address="my secret password")
    begin_attempt(counters=counters, what="wrong passwords", now=AT)
    assert not any("secret" in row.target for row in SignInAttempts.objects.all())


@pytest.mark.parametrize(
    ("address", "visitor"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("no address" * 9, ("no address" * 9)[:45]),
    ],
)
def test_an_ipv6_network_is_one_visitor(address: str, visitor: str) -> None:
    assert visitor_of(address) == visitor


@pytest.mark.django_db
def test_a_code_is_used_once_while_it_lives() -> None:
    user = User.objects.create_user("asha@example.com")
    assert use_code(user=user, code="123456", now=AT)
    assert not use_code(user=user, code="123456", now=AT + timedelta(seconds=60))
    assert use_code(user=user, code="123456", now=AT + timedelta(minutes=3))
    clear_attempts(now=AT + timedelta(minutes=6))
    assert not UsedCode.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_attempts_at_once_are_not_let_through() -> None:
    let_through = []
    start = threading.Barrier(12)

    def attempt() -> None:
        start.wait()
        let_through.append(fail(AT) == 0)
        connections.close_all()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(let_through) == 5
