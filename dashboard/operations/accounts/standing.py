"""How accounts stand at an instant: their credits, their plan, and whether all is well."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from billing.ledger.balances import balance_read_with
from billing.models import Account
from billing.notices.levels import CreditState, credit_state, low_level, thresholds_of_each
from billing.plans.tariffs import Agreement, TariffBook

STATE_LABELS = {
    CreditState.OK: ("OK", "success"),
    CreditState.LOW: ("Low", "warning"),
    CreditState.ZERO: ("Used up", "danger"),
    CreditState.NEGATIVE: ("In debt", "danger"),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands at an instant."""

    credits: int
    agreement: Agreement | None
    state: CreditState
    closed_at: datetime | None


def standings(accounts: Iterable[Account], *, at: datetime) -> dict[int, Standing]:
    """How each of ``accounts`` stands, by id; six queries where balance and watch were read too."""
    accounts = list(accounts)
    book = TariffBook(account.pk for account in accounts)
    thresholds = thresholds_of_each(accounts)
    found = {}
    for account in accounts:
        agreement = book.find(account.pk, at)
        credits = balance_read_with(account).credits
        low_at = low_level(
            thresholds[account.pk],
            credits_per_cycle=agreement.terms.credits_per_cycle if agreement else None,
        )
        state = credit_state(credits=credits, low_at=low_at)
        found[account.pk] = Standing(credits, agreement, state, account.closed_at)
    return found


def state_label(standing: Standing) -> SafeString:
    """The state as a word on a colour."""
    text, kind = ("Closed", "info") if standing.closed_at else STATE_LABELS[standing.state]
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})
