"""The ledger: the only writer of entries, balances, grants and daily usage."""

from billing.ledger.posting import (
    ROLLUP_COLUMNS,
    daily_usage_of_entries,
    end_grants,
    grants_due,
    lock_accounts,
    post,
    post_one,
    rebuild_daily_usage,
)

__all__ = [
    "ROLLUP_COLUMNS",
    "daily_usage_of_entries",
    "end_grants",
    "grants_due",
    "lock_accounts",
    "post",
    "post_one",
    "rebuild_daily_usage",
]
