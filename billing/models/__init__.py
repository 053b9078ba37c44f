"""The tables of billing, one concept a file."""

from billing.models.account import Account, Membership, Role
from billing.models.ledger import (
    AppendOnlyError,
    Balance,
    CreditGrant,
    DailyUsage,
    Debt,
    GrantShare,
    GrantSource,
    GrantUse,
    Kind,
    LedgerEntry,
)
from billing.models.notice import (
    CreditLook,
    CreditThreshold,
    CreditWatch,
    ImportUnderWay,
    Notice,
    NoticeKind,
)
from billing.models.plan import CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.models.top_up import (
    Pack,
    ParkedDecision,
    PaymentDispute,
    PaymentEvent,
    SandboxCheckout,
    TopUp,
    TopUpPricing,
    TopUpState,
)
from billing.models.user import User

__all__ = [
    "Account",
    "AppendOnlyError",
    "Balance",
    "CreditGrant",
    "CreditLook",
    "CreditThreshold",
    "CreditWatch",
    "CustomTerms",
    "DailyUsage",
    "Debt",
    "GrantShare",
    "GrantSource",
    "GrantUse",
    "ImportUnderWay",
    "Kind",
    "LedgerEntry",
    "Membership",
    "Notice",
    "NoticeKind",
    "Pack",
    "ParkedDecision",
    "PaymentDispute",
    "PaymentEvent",
    "Plan",
    "PlanTerms",
    "Role",
    "SandboxCheckout",
    "Subscription",
    "Terms",
    "TopUp",
    "TopUpPricing",
    "TopUpState",
    "User",
]
