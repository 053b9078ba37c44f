"""The menu of the operators' pages, in the order of their work."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

SECTIONS = (
    (
        "Customers",
        (
            ("Accounts", "group", "billing_account"),
            ("People", "person", "billing_user"),
            ("Second factors", "key", "mfa_authenticator"),
            ("Plans", "sell", "billing_plan"),
            ("Plan requests", "approval", "billing_planrequest"),
        ),
    ),
    (
        "Top-ups",
        (
            ("Top-ups", "payments", "billing_topup"),
            ("Packs", "package_2", "billing_pack"),
            ("Prices and tax", "percent", "billing_topuppricing"),
            ("Payment events", "webhook", "billing_paymentevent"),
            ("Notices", "mail", "billing_notice"),
        ),
    ),
    (
        "Records",
        (
            ("Activity", "history", "billing_activity"),
            ("Calls", "call", "calls_call"),
            ("Imports", "upload_file", "calls_fileimport"),
            ("Downloads", "download", "calls_export"),
            ("Sources of calls", "cable", "calls_callsource"),
            ("Events of sources", "inbox", "calls_inboxevent"),
            ("Ledger entries", "receipt_long", "billing_ledgerentry"),
            ("Grants", "savings", "billing_creditgrant"),
            ("Balances", "account_balance_wallet", "billing_balance"),
            ("Daily usage", "calendar_month", "billing_dailyusage"),
        ),
    ),
)


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu in the shape that Unfold takes, after the front page."""
    front = {"title": "Overview", "icon": "home", "link": reverse("admin:index")}
    return [
        {"items": [front]},
        *(
            {
                "title": title,
                "separator": True,
                "items": [
                    {"title": name, "icon": icon, "link": reverse(f"admin:{model}_changelist")}
                    for name, icon, model in items
                ],
            }
            for title, items in SECTIONS
        ),
    ]
