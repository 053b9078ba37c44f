"""What the rows of the activity log say."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from billing.activity import Money, changed, gone, new, note
from billing.models import Account, Activity, ActorKind
from billing.models import ActivityKind as K
from dashboard.activity.words import shown

INDIA = ZoneInfo("Asia/Kolkata")
AT = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            changed({"name": "Acme"}, {"name": "Acme Ltd"}), "Name: Acme → Acme Ltd", id="text"
        ),
        pytest.param(new(credits=-1500), "Credits: −1,500", id="number"),
        pytest.param(
            changed({"increment_seconds": 60}, {"increment_seconds": 1}),
            "Billing increment: 60 s → 1 s",
            id="seconds",
        ),
        pytest.param(new(expires_at=AT), "Expires: 23 Nov 2026, 18:00 Asia/Kolkata", id="instant"),
        pytest.param(
            changed({"price": Money(199_900, "INR")}, {"price": Money(100, "INR")}),
            "Price: INR 1,999 → INR 1",
            id="money",
        ),
        pytest.param(gone(role="superadmin"), "Role: Superadmin, no longer", id="role-gone"),
        pytest.param(
            changed({"wants_credit_mails": True}, {"wants_credit_mails": False}),
            "Mails about credits: on → off",
            id="switch",
        ),
        pytest.param(new(is_active=False), "Active: no", id="no"),
        pytest.param(new(bytes=2048), "Size: 2.0 KB", id="bytes"),
        pytest.param(new(number=12_345), "Import: 12345", id="number-that-names"),
        pytest.param(new(scopes=["read", "write"]), "Scopes: read; write", id="list"),
    ],
)
def test_a_change_in_words(account: Account, changes: object, said: str) -> None:
    note(K.ACCOUNT_CHANGED, account=account, changes=changes)  # type: ignore[arg-type]
    [change] = shown(Activity.objects.get(), zone=INDIA).changes
    assert str(change) == said


def test_what_was_emptied_says_so(account: Account) -> None:
    before = {"credits_per_cycle": 100, "concurrent_calls": 2}
    after = {"credits_per_cycle": None, "concurrent_calls": 4}
    note(K.TERMS_AGREED, account=account, changes=changed(before, after))
    said = [str(each) for each in shown(Activity.objects.get(), zone=INDIA).changes]
    assert said == ["Credits a cycle: 100 → none", "Calls at a time: 2 → 4"]


def test_where_operators_sit_only_operators_read(account: Account) -> None:
    one = Activity(
        account=account,
        at=AT,
        by_kind=ActorKind.OPERATOR,
        by_name="staff@example.com",
        visitor="192.0.2.1",
        kind=K.ADJUSTED,
    )
    to_customer, to_operator = (shown(one, zone=INDIA, to_operator=each) for each in (False, True))
    assert (to_customer.who, to_customer.as_what) == ("staff@example.com", "Operator")
    assert (to_customer.visitor, to_operator.visitor) == ("", "192.0.2.1")
