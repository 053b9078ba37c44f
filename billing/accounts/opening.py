"""Opening accounts, who belongs to them, and moving one to another time zone."""

from datetime import datetime

from django.db import transaction

from billing import ledger
from billing.models import Account, CustomTerms, Membership, Plan, Role, User
from billing.plans.subscriptions import subscribe


def open_account(
    *,
    account: Account,
    plan: Plan,
    owner: User,
    at: datetime,
    custom_terms: CustomTerms | None = None,
) -> Account:
    """Store ``account`` (unsaved), put it on ``plan``, and make ``owner`` its first superadmin.

    The credits of the first cycle are granted. Raises ValidationError where the account's own
    fields are wrong.
    """
    account.created_at = at
    account.full_clean()
    with transaction.atomic():
        account.save()
        Membership.objects.create(account=account, user=owner, role=Role.SUPERADMIN)
        subscribe(account=account, plan=plan, at=at, custom_terms=custom_terms)
    return account


def change_time_zone(*, account: Account, time_zone: str) -> None:
    """Move the account's calendar to ``time_zone``: its days are summed again in the new zone.

    Instants stay; only which day they fall on changes. Cycles keep to the clock that they began by.
    """
    with transaction.atomic():
        account.time_zone = time_zone
        account.clean_fields(exclude={"name", "slug", "currency"})
        account.save(update_fields=["time_zone"])
        ledger.rebuild_daily_usage(account=account)
