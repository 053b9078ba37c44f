"""What stands around every page of an account: who, which account, how its credits are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from billing.models import Account, Membership
from billing.notices.levels import CreditState, credit_state, low_level, thresholds_of
from billing.plans.cycles import Cycle
from billing.plans.granting import NextCredits, cycle_of, next_credits
from billing.plans.tariffs import Agreement, TariffBook, UpcomingAgreement
from calls.exports.selectors import news_of
from dashboard.expiring import LeftBySource, left_by_source
from dashboard.exports.page import ExportPage, pages_of


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of one page. ``now`` is the instant that the whole page speaks of.

    ``credit_state`` is None where the account is closed: nobody can do anything about it.
    ``left`` says of which credits few are left; None while there are enough.
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
    left: LeftBySource | None
    now: datetime
    has_exports: bool = False
    export_news: Sequence[ExportPage] = ()

    @property
    def is_operator(self) -> bool:
        """Whether the person is an operator who works for the account and is no member of it."""
        return self.membership.pk is None

    @property
    def plan_name(self) -> str:
        """The plan in force, empty without one."""
        return self.agreement.plan.name if self.agreement else ""

    @property
    def credits_per_cycle(self) -> int | None:
        """What the plan in force gives in a cycle, if it says so."""
        return self.agreement.terms.credits_per_cycle if self.agreement else None


def build_frame(
    *, membership: Membership, other_accounts: Sequence[Account], balance: int, now: datetime
) -> Frame:
    """Return the frame of a page of the account of ``membership``, at most seven queries.

    One more where few credits are left, or none, and one or two where there are news of the
    person's downloads.
    """
    account = membership.account
    tariffs = TariffBook([account.pk])
    agreement = tariffs.find(account.pk, now)
    state = None
    if account.closed_at is None:
        state = credit_state(
            credits=balance,
            low_at=low_level(
                thresholds_of(account),
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
        left=(
            left_by_source(account=account, cycle=cycle, now=now)
            if state in (CreditState.LOW, CreditState.ZERO)
            else None
        ),
        next_credits=next_credits(book=tariffs, account_id=account.pk, now=now),
        now=now,
        has_exports=getattr(membership, "has_exports", False),
        export_news=_export_news(membership, now),
    )


def _export_news(membership: Membership, now: datetime) -> list[ExportPage]:
    """The news of downloads, if the gate has seen that there are any (`accounts_of`)."""
    if not getattr(membership, "has_export_news", False):
        return []
    account = membership.account
    news = news_of(account=account, by=membership.user)
    return pages_of(news, account=account, now=now)


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
