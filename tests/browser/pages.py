"""Every page there is, by name: what the tests visit and the screenshots show."""

from django.urls import reverse

from billing.models import Account, Kind, LedgerEntry, Plan
from calls.models import CallSource, Export


def pages_of(account: Account) -> dict[str, str]:
    """The addresses of the account's pages; `account` has at least one call and one top-up."""
    slug = account.slug
    usage = reverse("dashboard:usage", args=[slug])
    call = LedgerEntry.objects.filter(account=account, kind=Kind.CALL).latest("seq")
    top_up = LedgerEntry.objects.filter(account=account, kind=Kind.TOP_UP).latest("seq")
    return {
        "home": reverse("dashboard:home", args=[slug]),
        "usage": usage,
        "usage-30-days": f"{usage}?period=last_30_days&page=3",
        "usage-without-rows": f"{usage}?call_id=no-such-call",
        "usage-with-errors": f"{usage}?from=2026-13-01&to=2026-11-01&kind=nothing",
        "downloads": reverse("dashboard:exports", args=[slug]),
        "download-new": reverse("dashboard:export_new", args=[slug]),
        **{
            f"download-{each.state}": reverse("dashboard:export_page", args=[slug, each.public_id])
            for each in Export.objects.filter(account=account)
        },
        "call": reverse("dashboard:call", args=[slug, call.call_id]),
        "row": reverse("dashboard:row", args=[slug, top_up.seq]),
        "top-up": reverse("dashboard:top_up", args=[slug]),
        "top-ups": reverse("dashboard:top_ups", args=[slug]),
        "top-up-review": f"{reverse('dashboard:top_up', args=[slug])}?choice=own&credits=500",
        "top-up-with-errors": f"{reverse('dashboard:top_up', args=[slug])}?choice=own&credits=5",
        "imports": reverse("dashboard:imports", args=[slug]),
        "import-new": reverse("dashboard:import_new", args=[slug]),
        "team": reverse("dashboard:team", args=[slug]),
        "team-invite": reverse("dashboard:team_invite", args=[slug]),
        **{
            f"team-{member.role}": reverse("dashboard:team_member", args=[slug, member.pk])
            for member in account.memberships.order_by("-pk")
        },
        "api-keys": reverse("dashboard:api_keys", args=[slug]),
        "api-key-new": reverse("dashboard:api_key_new", args=[slug]),
        "sources": reverse("dashboard:sources", args=[slug]),
        "source-order": reverse("dashboard:source_order", args=[slug]),
        "source-new": reverse("dashboard:source_new", args=[slug, "twilio"]),
        **_source_of(account),
        "plans": reverse("dashboard:plans", args=[slug]),
        "plan-asked-for": f"{reverse('dashboard:plans', args=[slug])}?plan={_other_plan(account)}",
        "subscription": reverse("dashboard:subscription", args=[slug]),
        "troubleshooting": reverse("dashboard:troubleshooting", args=[slug]),
        "company": reverse("dashboard:company", args=[slug]),
        "activity": reverse("dashboard:activity", args=[slug]),
        "activity-with-errors": f"{reverse('dashboard:activity', args=[slug])}?area=nothing",
        "api-reference": reverse("dashboard:api_reference"),
        "notifications": reverse("dashboard:notifications", args=[slug]),
        "security": reverse("mfa_index"),
        "password": reverse("account_change_password"),
        "sessions": reverse("usersessions_list"),
        "sign-out": reverse("account_logout"),
        "operators-only": "/admin/login/",
        "not-found": "/a/no-such-account/",
    }


def _other_plan(account: Account) -> int:
    """A plan that the account can ask for, if there is one with a price."""
    latest = account.subscriptions.first()
    offered = Plan.objects.filter(is_active=True, terms__prices__has_key=account.currency)
    other = offered.exclude(pk=latest.plan_id if latest else 0).first()
    return other.pk if other is not None else 0


def _source_of(account: Account) -> dict[str, str]:
    """The pages of a source, where the account has one."""
    source = CallSource.objects.filter(account=account, deleted_at=None).first()
    if source is None:
        return {}
    arguments = [account.slug, source.public_id]
    return {
        "source": reverse("dashboard:source", args=arguments),
        "source-delete": reverse("dashboard:source_delete", args=arguments),
    }


# Of operators: those of their pages that are not made by the admin alone.
OPERATORS = {
    "operators-overview": "/admin/",
    "operators-first-steps": "/admin/first-steps/",
}

SIGNED_OUT = {
    "sign-in": "/accounts/login/",
    "password-reset": "/accounts/password/reset/",
    "password-reset-sent": "/accounts/password/reset/done/",
    "password-link-used": "/accounts/password/reset/key/1-nothing/",
    "sign-up": "/accounts/signup/",
    "switched-off": "/accounts/inactive/",
    "api-reference": "/help/api/",
}
