"""What a closed account can't begin any more. Closing one is `billing.accounts.closing`."""

from billing.models import Account
from billing.refusals import Refusal

CLOSED = "This account is closed. Ask the people who look after it to reopen it."


class AccountClosedError(Refusal):
    """What was asked for needs an account that is open."""


def hold_open(account_id: int) -> Account:
    """The account as it is now, held until the transaction ends: nobody closes it meanwhile.

    Raises AccountClosedError where it is closed.
    """
    account = Account.objects.select_for_update(no_key=True).get(pk=account_id)
    if account.closed_at is not None:
        raise AccountClosedError(CLOSED)
    return account
