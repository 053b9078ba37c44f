"""The tables of billing, one concept a file."""

from billing.models.account import Account, Membership, Role
from billing.models.ledger import (
    AppendOnlyError,
    Balance,
    CreditGrant,
    DailyUsage,
    GrantSource,
    Kind,
    LedgerEntry,
)
from billing.models.plan import CustomTerms, Plan, PlanTerms, Subscription, Terms

__all__ = [
    "Account",
    "AppendOnlyError",
    "Balance",
    "CreditGrant",
    "CustomTerms",
    "DailyUsage",
    "GrantSource",
    "Kind",
    "LedgerEntry",
    "Membership",
    "Plan",
    "PlanTerms",
    "Role",
    "Subscription",
    "Terms",
]
