"""Opening accounts, who belongs to them, and moving one to another time zone."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import ledger
from billing.activity import ActivityKind, changed, facts_of, new, note
from billing.models import Account, CustomTerms, Membership, Plan, Role, Subscription, User
from billing.plans.cycles import MONTHS_OF_A_YEAR, add_months
from billing.plans.granting import cycle_credits
from billing.plans.subscriptions import subscribe
from billing.plans.tariffs import TariffBook
from billing.refusals import Refusal
from billing.texts import in_credits
from billing.zones import local

STARTS_YEARS_AGO_MAX = 10

# What is said of an account where it is opened or changed.
ACCOUNT_FACTS = ("name", "slug", "time_zone", "currency")
# What its Superadmins say of the company that receipts name.
COMPANY_FACTS = ("company_name", "company_address", "tax_number")


class OpeningError(Refusal):
    """An account that can't be opened."""


@dataclass(frozen=True, slots=True)
class CreditsOfOpening:
    """The cycles that an opening grants credits for: how many, when the first and the last began.

    ``credits`` are those of all of them, ``expired`` what will have expired of them at once.
    """

    cycles: int
    first_at: datetime
    last_at: datetime
    credits: int
    expired: int


def open_account(
    *,
    account: Account,
    plan: Plan,
    owner: User,
    now: datetime,
    starts_at: datetime | None = None,
    custom_terms: CustomTerms | None = None,
) -> Account:
    """Store ``account`` (unsaved), put it on ``plan``, and make ``owner`` its first superadmin.

    Its subscription begins at ``starts_at``, which may be past (None: ``now``), and with it any
    ``custom_terms``: calls since then are charged, those before are history. The credits of the
    cycles since then are granted, and expire, in order (`credits_of_opening`). Raises OpeningError
    where the start is in the future or more than ten years ago, and ValidationError where the
    account's own fields are wrong.
    """
    starts_at = starts_at or now
    account.created_at = now
    account.full_clean()
    _check_start(account, starts_at, now)
    with transaction.atomic():
        account.save()
        Membership.objects.create(account=account, user=owner, role=Role.SUPERADMIN)
        note(
            ActivityKind.ACCOUNT_OPENED,
            account=account,
            subject=account.name,
            changes=new(
                **facts_of(account, *ACCOUNT_FACTS), superadmin=owner.email, starts=starts_at
            ),
        )
        subscribe(account=account, plan=plan, at=starts_at, now=now, custom_terms=custom_terms)
    return account


def credits_of_opening(
    *,
    account: Account,
    plan: Plan,
    now: datetime,
    starts_at: datetime,
    custom_terms: CustomTerms | None = None,
) -> CreditsOfOpening | None:
    """What `open_account` with the same arguments would grant; None where that is nothing.

    Raises OpeningError as that does. Stores nothing.
    """
    _check_start(account, starts_at, now)
    subscription = Subscription(plan=plan, effective_from=starts_at, time_zone=account.time_zone)
    own = copy(custom_terms)
    if own is not None:
        own.effective_from = starts_at
    granted = list(cycle_credits(TariffBook.of_new(subscription, own), 0, until=now))
    if not granted:
        return None
    return CreditsOfOpening(
        cycles=len(granted),
        first_at=granted[0].cycle.starts_at,
        last_at=granted[-1].cycle.starts_at,
        credits=sum(one.credits for one in granted),
        expired=sum(one.credits for one in granted if one.cycle.ends_at <= now),
    )


def granted_in_words(granted: CreditsOfOpening | None, account: Account) -> str:
    """What an opening grants, in a sentence or two."""
    if granted is None:
        return "No plan credits are granted."
    if granted.cycles == 1:
        began = local(granted.first_at, account.zone)
        said = f"The credits of 1 billing cycle are granted, which began on {began}"
    else:
        said = (
            f"The credits of {granted.cycles} billing cycles are granted: the first began on "
            f"{local(granted.first_at, account.zone)}, the last on "
            f"{local(granted.last_at, account.zone)}"
        )
    left = granted.credits - granted.expired
    return (
        f"{said}. Of {in_credits(granted.credits)}, {granted.expired:,} will have expired and "
        f"{left:,} can be used."
    )


def _check_start(account: Account, starts_at: datetime, now: datetime) -> None:
    if starts_at > now:
        raise OpeningError(
            "This is in the future. Leave it empty to begin now, or open the account then.",
            field="starts_at",
        )
    if starts_at < add_months(now, -STARTS_YEARS_AGO_MAX * MONTHS_OF_A_YEAR, account.zone):
        raise OpeningError(
            f"This is more than {STARTS_YEARS_AGO_MAX} years ago. Is the year right?",
            field="starts_at",
        )


def change_account(*, account: Account, facts: Sequence[str] = ACCOUNT_FACTS) -> None:
    """Store the ``facts`` that ``account`` has now, and nothing else of it.

    In another zone its days are summed again. Instants stay; only which day they fall on changes.
    Cycles keep to the clock that they began by.
    """
    with transaction.atomic():
        before = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        account.save(update_fields=[*facts])
        if "time_zone" in facts and before.time_zone != account.time_zone:
            ledger.rebuild_daily_usage(account=account)
        changes = changed(facts_of(before, *facts), facts_of(account, *facts))
        if changes:
            note(
                ActivityKind.ACCOUNT_CHANGED,
                account=account,
                subject=account.name,
                changes=changes,
            )


def change_time_zone(*, account: Account, time_zone: str) -> None:
    """Move the account's calendar to ``time_zone``, as `change_account` does."""
    account.time_zone = time_zone
    account.clean_fields(exclude={"name", "slug", "currency"})
    change_account(account=account)
