"""What all actions on an account have in common."""

from typing import Any

from billing.ledger.balances import balance_read_with
from billing.models import Account
from billing.texts import grouped
from dashboard.operations.record_actions import Preview, RecordAction


class AccountAction(RecordAction[Account]):
    """An action whose page names the account, its credits and its time zone."""

    def account_preview(self, **words: Any) -> Preview:
        """A preview with these ``words`` about the account."""
        account = self.record
        credits = grouped(balance_read_with(account).credits)
        subject = f"{account} · {credits} credits · {account.time_zone}"
        return Preview(subject=subject, **words)
