"""What an account has now, or nothing where nothing was ever posted."""

from billing.models import Account, Balance


def balance_of(account: Account) -> Balance:
    """The account's balance now; zero, unsaved, where nothing was ever posted. One query."""
    return Balance.objects.filter(account=account).first() or Balance(account=account)
