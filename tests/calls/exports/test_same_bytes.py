"""The file that a worker makes is byte for byte the one that is sent at once."""

from datetime import timedelta
from typing import Any

import pytest

from billing.models import Account, User
from billing.refusals import Refusal
from calls.models import ExportState
from calls.usage import export as streaming
from calls.usage.filters import UsageFilters
from tests.calls.exports.exporting import asked, text_of, worked
from tests.calls.usage.test_report import FILTERS, WEEK
from tests.dashboard.conftest import NOW, call, correction, goodwill, post, top_up
from tests.factories import AccountFactory, MembershipFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.xdist_group("export bytes"),  # one process: what is read is stored once
]
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def busy(stored_for_module: None) -> Account:
    """Rows of every kind, some at the same instant, with text that has to be quoted."""
    account: Account = AccountFactory()
    for number in range(9):
        at = NOW - timedelta(hours=number // 4)
        agent, usage_type = ("Asha", "")[number % 2], ("outbound", "inbound")[number % 3 % 2]
        remarks = 'said “no”, "twice"' if number == 5 else ""
        post(
            call(
                account,
                f"c-{number}",
                number % 4,
                at,
                agent=agent,
                usage_type=usage_type,
                remarks=remarks,
            )
        )
    post(correction(account, "c-3", 1, NOW))
    post(goodwill(account, 9, expires_at=NOW - DAY), at=NOW - 2 * DAY)
    post(top_up(account, 30, NOW - DAY), top_up(account, 40, NOW - timedelta(days=9)))
    return account


@pytest.fixture(scope="module")
def person(busy: Account) -> User:
    """One who belongs to it."""
    user: User = MembershipFactory(account=busy).user
    return user


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_the_file_is_byte_for_byte_what_would_have_been_sent(
    busy: Account,
    person: User,
    filters: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns: dict[str, Any] = {**filters, "call_id": ""}
    own = UsageFilters(**columns)
    at_once = "".join(streaming.export_csv(account=busy, period=WEEK, filters=own))
    rows = at_once.count("\r\n") - 1
    monkeypatch.setattr(streaming, "ROWS_PER_READ", 4)
    if not rows:
        with pytest.raises(Refusal):
            asked(busy, person, filters=own)
        return
    export = worked(asked(busy, person, filters=own))
    assert export.state == ExportState.READY
    assert text_of(export) == at_once
    assert export.size == len(at_once.encode())
    assert export.rows == export.rows_expected == rows
    assert export.pieces == -(-rows // 4)
