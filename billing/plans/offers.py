"""The plans on offer, as their page and the API show them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from billing.models import Plan, PlanTerms, Terms
from billing.plans.tariffs import Agreement, UpcomingAgreement, in_force
from billing.plans.terms import TypicalCharge, typical_charges


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan with the terms in force now: for the account's own plan, those agreed with it.

    ``terms`` is None for a plan that has none yet. ``next_terms`` are announced and not in force.
    Of a plan to which the account is to change at ``yours_from``, ``terms`` are those agreed.
    """

    plan: Plan
    terms: Terms | None
    next_terms: Terms | None
    is_current: bool
    yours_from: datetime | None
    examples: Sequence[TypicalCharge]


def plan_offers(
    *, agreement: Agreement | None, upcoming: Sequence[UpcomingAgreement], now: datetime
) -> list[PlanOffer]:
    """Every plan on offer, and the current one even where it is not; two queries.

    ``upcoming`` is what is to follow the ``agreement`` of the account that looks at them.
    """
    current = agreement.plan if agreement else None
    plans = list(Plan.objects.filter(is_active=True))
    if current is not None and current not in plans:
        plans.insert(0, current)
    terms_of: dict[int, list[PlanTerms]] = defaultdict(list)
    for plan_terms in PlanTerms.objects.filter(plan__in=plans).order_by("effective_from"):
        terms_of[plan_terms.plan_id].append(plan_terms)
    offers = []
    for plan in plans:
        own = terms_of[plan.pk]
        is_current = plan == current
        terms: Terms | None = in_force(own, now)
        next_terms: Terms | None = next((one for one in own if one.effective_from > now), None)
        if is_current and agreement is not None:
            terms = agreement.terms
            next_terms = _next_terms(agreement, upcoming)
        coming = next((one for one in upcoming if one.agreement.plan == plan), None)
        if coming is not None and not is_current:
            terms, next_terms = coming.agreement.terms, None
        offers.append(
            PlanOffer(
                plan=plan,
                terms=terms,
                next_terms=next_terms,
                is_current=is_current,
                yours_from=coming.at if coming is not None and not is_current else None,
                examples=typical_charges(terms.tariff) if terms else [],
            )
        )
    return offers


def _next_terms(agreement: Agreement, upcoming: Sequence[UpcomingAgreement]) -> Terms | None:
    """The terms that follow those of ``agreement`` while the account stays on its plan."""
    for one in upcoming[:1]:
        if one.agreement.subscription == agreement.subscription:
            return one.agreement.terms
    return None


def price_per_credit(terms: Terms, currency: str) -> Fraction | None:
    """What a credit of a cycle costs, in minor units of ``currency``; None without price or credits
    in the terms."""
    price_minor = terms.price_in(currency)
    if price_minor is None or not terms.credits_per_cycle:
        return None
    return Fraction(price_minor, terms.credits_per_cycle)


def seconds_included(terms: Terms) -> int | None:
    """How many billed seconds the credits of a cycle pay for, at most: the time of whole
    increments. None where the credits are agreed with each account."""
    if terms.credits_per_cycle is None:
        return None
    return terms.credits_per_cycle // terms.credits_per_increment * terms.increment_seconds
