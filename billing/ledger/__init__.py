"""The ledger: the only writer of entries, balances, grants and daily usage.

What other rooms call is here, and in `billing.ledger.references` and `billing.ledger.balances`.
"""

from billing.ledger.grants import grants_due, lock_accounts
from billing.ledger.posting import expire, post, post_one
from billing.ledger.postings import NewGrant, Posted, Posting
from billing.ledger.rollup import rebuild_daily_usage

__all__ = [
    "NewGrant",
    "Posted",
    "Posting",
    "expire",
    "grants_due",
    "lock_accounts",
    "post",
    "post_one",
    "rebuild_daily_usage",
]
