"""What stands around every page of an account: who, which account, how its credits are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpRequest

from billing.ledger.balances import grants_standing, standing
from billing.models import Account, CreditGrant, CreditThreshold, Membership
from billing.notices.levels import (
    CreditState,
    credit_state,
    low_level,
    thresholds_among,
    thresholds_of,
)
from billing.plans.cycles import Cycle
from billing.plans.granting import NextCredits, cycle_of, next_credits
from billing.plans.tariffs import Agreement, TariffBook, UpcomingAgreement
from billing.prepared import Parameter, instances, rows_within
from calls.exports.selectors import NEWS_OF_PLACE, OF_PLACE
from calls.models import Export
from dashboard.expiring import LeftBySource, left_by_source
from dashboard.exports.page import ExportPage, pages_of


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page. ``now`` is the instant that the whole page speaks of.

    ``credit_state`` is None where the account is closed: nobody can do anything about it.
    ``grants`` are those with anything left and those of the plan, in the order of expiry. ``left``
    says of which credits few are left; None while there are enough.
    ``upcoming`` is what is to follow the ``agreement`` in force, ``next_credits`` what comes of it.
    ``has_exports``: the person has downloads in the account; ``export_news`` are those that are
    ready or have failed, and that the person has not said to know of.
    """

    account: Account
    membership: Membership
    balance: int
    credit_state: CreditState | None
    zone: str
    other_accounts: Sequence[Account]
    agreement: Agreement | None
    upcoming: Sequence[UpcomingAgreement]
    cycle: Cycle | None
    next_credits: NextCredits | None
    grants: Sequence[CreditGrant]
    left: LeftBySource | None
    now: datetime
    has_exports: bool = False
    export_news: Sequence[ExportPage] = ()

    @property
    def grants_left(self) -> list[CreditGrant]:
        """Those of ``grants`` with anything left."""
        return [grant for grant in self.grants if grant.is_open]

    @property
    def is_operator(self) -> bool:
        """Whether the person is an operator who works for the account and is no member of it."""
        return self.membership.pk is None

    @property
    def is_closed(self) -> bool:
        """Whether the account is closed."""
        return self.account.closed_at is not None

    @property
    def plan_name(self) -> str:
        """The plan in force, empty without one."""
        return self.agreement.plan.name if self.agreement else ""

    @property
    def credits_per_cycle(self) -> int | None:
        """What the plan in force gives in a cycle, if it says so."""
        return self.agreement.terms.credits_per_cycle if self.agreement else None


# ── Reading ───────────────────────────────────────────────────────────────────────────────────
def read_around() -> dict[str, Any]:
    """What to read with a membership for `build_frame`, as annotations; ``now`` is a parameter."""
    return {
        "kept_thresholds": rows_within(
            CreditThreshold.objects.filter(account=OuterRef("account_id")).order_by()
        ),
        "own_grants": rows_within(
            standing(now=Parameter("now")).filter(account=OuterRef("account_id"))
        ),
        "has_exports": Exists(OF_PLACE),
        "export_news": rows_within(NEWS_OF_PLACE),
    }


def build_frame(
    *, membership: Membership, other_accounts: Sequence[Account], balance: int, now: datetime
) -> Frame:
    """Return the frame of a page of the account of ``membership``: one query.

    What `read_around` names was read with it. An operator's place is not stored, so that this takes
    two or three queries more.
    """
    account = membership.account
    if membership._state.adding:
        thresholds = thresholds_of(account)
        grants = grants_standing(account=account, now=now)
        news: list[Export] = []
    else:
        read: Any = membership
        thresholds = thresholds_among(account, instances(CreditThreshold, read.kept_thresholds))
        grants = instances(CreditGrant, read.own_grants)
        news = instances(Export, read.export_news)
    tariffs = TariffBook([account.pk])
    agreement = tariffs.find(account.pk, now)
    state = None
    if account.closed_at is None:
        state = credit_state(
            credits=balance,
            low_at=low_level(
                thresholds,
                credits_per_cycle=agreement.terms.credits_per_cycle if agreement else None,
            ),
        )
    cycle = cycle_of(book=tariffs, account_id=account.pk, at=now)
    return Frame(
        account=account,
        membership=membership,
        balance=balance,
        credit_state=state,
        zone=account.time_zone,
        other_accounts=other_accounts,
        agreement=agreement,
        upcoming=tariffs.upcoming(account.pk, after=now),
        cycle=cycle,
        grants=grants,
        left=(
            left_by_source(grants=grants, cycle=cycle)
            if state in (CreditState.LOW, CreditState.ZERO)
            else None
        ),
        next_credits=next_credits(book=tariffs, account_id=account.pk, now=now),
        now=now,
        has_exports=getattr(membership, "has_exports", False),
        export_news=pages_of(news, account=account, now=now) if news else (),
    )


# ── Showing ───────────────────────────────────────────────────────────────────────────────────
def frame(request: HttpRequest) -> dict[str, object]:
    """Context processor: ``frame``, ``account`` and ``membership``, None outside an account.

    The gate (`dashboard.access`) has read them; nothing is queried here.
    """
    built: Frame | None = getattr(request, "frame", None)
    return {
        "frame": built,
        "account": built.account if built else None,
        "membership": built.membership if built else None,
    }
