"""What an account has now (zero, unsaved, where nothing was ever posted), and who has seen it."""

from billing.models import Account, Balance


def balance_of(account: Account) -> Balance:
    """Read the account's balance now. One query."""
    return Balance.objects.filter(account=account).first() or Balance(account=account)


def balance_read_with(account: Account) -> Balance:
    """The balance that was selected together with ``account``, as it was then.

    No query, unless it was not selected.
    """
    return getattr(account, "balance", None) or Balance(account=account)


def unwatched() -> list[int]:
    """The ids of the accounts with entries that nobody has looked at for warnings. One query."""
    found = Balance.objects.filter(is_unwatched=True).order_by("account_id")
    return list(found.values_list("account_id", flat=True))


def mark_watched(*, balance: Balance) -> None:
    """Note that the account was looked at for warnings when it had ``balance``."""
    Balance.objects.filter(account=balance.account_id).update(watched_seq=balance.last_seq)
