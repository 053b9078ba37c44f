"""What an account's page shows around its form: standing, plans, grants, latest entries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.models import Account, CreditGrant, Kind, LedgerEntry, Subscription
from billing.plans.granting import current_cycle
from billing.plans.requests import open_request
from billing.plans.tariffs import in_force
from billing.texts import grouped
from billing.zones import local
from calls.usage import words
from calls.usage.entries import Entry
from dashboard.operations.accounts.standing import Standing, standings, state_label
from dashboard.operations.base import local_time
from dashboard.operations.filters import ACCOUNT_PARAMETER
from dashboard.operations.plans.terms_table import terms_table
from dashboard.templatetags.figures import signed

ENTRIES_SHOWN = 20
GRANTS_SHOWN = 20


def account_panels(account: Account, *, now: datetime) -> dict[str, Any]:
    """The context of all of them for ``account``."""
    standing = standings([account], at=now)[account.pk]
    subscriptions = list(
        account.subscriptions.select_related("plan").prefetch_related("custom_terms")
    )
    return {
        "facts": _facts(account, standing, now),
        "plans_table": _plans_table(account, subscriptions, now),
        "custom_tables": _custom_tables(account, subscriptions, now),
        "grants_table": _grants_table(account),
        "entries_table": _entries_table(account),
        "all_grants": listing("creditgrant", account),
        "all_entries": listing("ledgerentry", account),
        "all_days": listing("dailyusage", account),
        "all_activity": listing("activity", account),
    }


def listing(model: str, account: Account) -> str:
    """The list of the account's rows of ``model``."""
    return reverse(f"admin:billing_{model}_changelist", query={ACCOUNT_PARAMETER: account.pk})


def _facts(account: Account, standing: Standing, now: datetime) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [
        ("Credits", grouped(standing.credits)),
        ("State", state_label(standing)),
    ]
    if (request := open_request(account)) is not None:
        page = reverse("admin:billing_planrequest_change", args=[request.pk])
        link = format_html('<a href="{}" class="text-link">{}</a>', page, request.plan)
        facts.append(("Asks for", link))
    if standing.credits < 0:
        facts.append(("Debt", f"{-standing.credits:,}"))
    if standing.closed_at is not None:
        facts.append(("Closed", _closed(account, standing.closed_at)))
    if standing.agreement is None:
        return [*facts, ("Plan", "none: its calls can’t be charged")]
    agreement = standing.agreement
    facts.append(("Plan", f"{agreement.plan}, {agreement.tariff}"))
    cycle = current_cycle(account=account, at=now)
    if cycle is not None:
        facts.append(("Billing cycle ends", local(cycle.ends_at, account.zone)))
    return facts


def _closed(account: Account, closed_at: datetime) -> SafeString:
    """When it was closed, with the way to reopen it."""
    reopen = reverse("admin:billing_account_reopen", args=[account.pk])
    return format_html(
        '{} · <a href="{}" class="text-link">reopen</a>', local(closed_at, account.zone), reopen
    )


def _plans_table(
    account: Account, subscriptions: Sequence[Subscription], now: datetime
) -> dict[str, Any]:
    current = _current(subscriptions, now)
    rows = []
    for one in subscriptions:
        state: SafeString | str = "Now" if one == current else "Past"
        if one.ended_at is not None:
            state = f"Ended {local(one.ended_at, account.zone)}"
        if one.effective_from > now:
            terms = reverse(
                "admin:billing_account_agree_custom_terms",
                args=[account.pk],
                query={"subscription": one.pk},
            )
            cancel = reverse("admin:billing_account_cancel_change", args=[account.pk, one.pk])
            state = format_html(
                '<span>Planned: <a href="{}" class="text-link">custom terms</a>, '
                '<a href="{}" class="text-link">cancel</a></span>',
                terms,
                cancel,
            )
        rows.append([local(one.effective_from, account.zone), one.plan.name, state])
    return {"headers": ("From", "Plan", ""), "rows": rows}


def _current(subscriptions: Sequence[Subscription], now: datetime) -> Subscription | None:
    return in_force(sorted(subscriptions, key=lambda one: one.effective_from), now)


def _custom_tables(
    account: Account, subscriptions: Sequence[Subscription], now: datetime
) -> list[tuple[str, dict[str, Any]]]:
    """The custom terms of the present plan and of those planned, each with its heading."""
    current = _current(subscriptions, now)
    tables = []
    for one in reversed(subscriptions):
        on = "the present plan"
        if one.effective_from > now:
            on = f"{one.plan}, planned for {local(one.effective_from, account.zone)}"
        elif one != current:
            continue
        if custom := list(one.custom_terms.all()):
            table = terms_table(custom, now=now, zone=account.zone)
            tables.append((f"Custom terms on {on}", table))
    return tables


def _grants_table(account: Account) -> dict[str, Any]:
    grants = CreditGrant.objects.filter(account=account, is_open=True)[:GRANTS_SHOWN]
    rows = [
        [
            grant.get_source_display(),
            f"{grant.remaining:,} of {grant.credits:,}",
            local(grant.granted_at, account.zone),
            local(grant.expires_at, account.zone) if grant.expires_at else "never",
        ]
        for grant in grants
    ]
    return {"headers": ("Source", "Left", "Granted", "Expires"), "rows": rows}


def _entries_table(account: Account) -> dict[str, Any]:
    entries = Entry.read(
        LedgerEntry.objects.filter(account=account).order_by("-seq")[:ENTRIES_SHOWN]
    )
    grants = words.expired_grants(entries)
    rows = [
        [
            local_time(entry.occurred_at, account.zone),
            Kind(entry.kind).label,
            signed(entry.credits),
            grouped(entry.balance_after),
            entry.call_id or "–",
            words.of_entry(entry, grants=grants, zone=account.zone),
        ]
        for entry in entries
    ]
    headers = ("Occurred", "Kind", "Credits", "Balance after", "Call ID", "In words")
    return {"headers": headers, "rows": rows}
