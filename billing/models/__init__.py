"""The tables of billing, one concept a file."""

from billing.models.account import Account, Membership, Role
from billing.models.activity import AREAS, Activity, ActivityKind, ActorKind, Area
from billing.models.api_key import ApiKey, Scope
from billing.models.grant import CreditGrant, Debt, GrantShare, GrantSource, GrantUse
from billing.models.ledger import AppendOnlyError, Balance, DailyUsage, Kind, LedgerEntry
from billing.models.notice import (
    CreditLook,
    CreditThreshold,
    CreditWatch,
    ImportUnderWay,
    Notice,
    NoticeKind,
)
from billing.models.payment import Dispute, Payment, PaymentEvent, Refund, Review
from billing.models.plan import CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.models.plan_request import PlanRequest, PlanRequestState
from billing.models.pricing import Pack, TopUpPricing
from billing.models.receipt import Receipt
from billing.models.sign_in import SignInAttempts, UsedCode
from billing.models.top_up import TopUp, TopUpState
from billing.models.user import User

__all__ = [
    "AREAS",
    "Account",
    "Activity",
    "ActivityKind",
    "ActorKind",
    "ApiKey",
    "AppendOnlyError",
    "Area",
    "Balance",
    "CreditGrant",
    "CreditLook",
    "CreditThreshold",
    "CreditWatch",
    "CustomTerms",
    "DailyUsage",
    "Debt",
    "Dispute",
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
    "Payment",
    "PaymentEvent",
    "Plan",
    "PlanRequest",
    "PlanRequestState",
    "PlanTerms",
    "Receipt",
    "Refund",
    "Review",
    "Role",
    "Scope",
    "SignInAttempts",
    "Subscription",
    "Terms",
    "TopUp",
    "TopUpPricing",
    "TopUpState",
    "UsedCode",
    "User",
]
