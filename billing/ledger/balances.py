"""What an account has now: zero, unsaved, where nothing was ever posted."""

from billing.models import Account, Balance


def balance_of(account: Account) -> Balance:
    """Read the account's balance now. One query."""
    return Balance.objects.filter(account=account).first() or Balance(account=account)


def balance_read_with(account: Account) -> Balance:
    """The balance that was selected together with ``account``, as it was then.

    No query, unless it was not selected.
    """
    return getattr(account, "balance", None) or Balance(account=account)
