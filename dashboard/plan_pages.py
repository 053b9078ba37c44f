"""Plans and the subscription, as the pages of those who pay show them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.cycles import Cycle
from billing.models import Account, CreditGrant, CustomTerms, Plan, PlanTerms, Subscription, Terms
from billing.rating import Charge, UsageType, rate
from billing.tariffs import Agreement, in_force

EXAMPLES = (timedelta(seconds=20), timedelta(seconds=65), timedelta(minutes=5))


@dataclass(frozen=True, slots=True)
class Example:
    """What a connected call of ``duration`` costs under some terms."""

    duration: timedelta
    charge: Charge


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan with the terms in force now: for the account's own plan, those agreed with it.

    ``terms`` is None for a plan that has none yet. ``next_terms`` are announced and not in force.
    """

    plan: Plan
    terms: Terms | None
    next_terms: Terms | None
    is_current: bool
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True)
class Change:
    """Something about the subscription that is already decided: from when, and what."""

    at: datetime
    plan: Plan
    terms: Terms | None


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """The account's plan, cycle and credits. ``credits`` are in the order in which they are used;
    times are in the account's zone."""

    agreement: Agreement | None
    is_custom: bool
    examples: Sequence[Example]
    cycle_starts_at: datetime | None
    renews_at: datetime | None
    credits: Sequence[CreditGrant]
    changes: Sequence[Change]
    history: Sequence[Subscription]


def examples_of(terms: Terms) -> list[Example]:
    """What typical calls cost under ``terms``."""
    start = terms.effective_from
    return [
        Example(
            duration,
            rate(
                tariff=terms.tariff,
                usage_type=UsageType.OUTBOUND,
                started_at=start,
                connected_at=start,
                ended_at=start + duration,
            ),
        )
        for duration in EXAMPLES
    ]


def plan_offers(*, agreement: Agreement | None, now: datetime) -> list[PlanOffer]:
    """Every plan on offer, and the current one even where it is not; two queries."""
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
        if is_current and agreement is not None:
            terms = agreement.terms
        offers.append(
            PlanOffer(
                plan=plan,
                terms=terms,
                next_terms=next((later for later in own if later.effective_from > now), None),
                is_current=is_current,
                examples=examples_of(terms) if terms else [],
            )
        )
    return offers


def subscription_page(
    *, account: Account, agreement: Agreement | None, cycle: Cycle | None, now: datetime
) -> SubscriptionPage:
    """Read the subscription of ``account``; at most four queries."""
    history = list(account.subscriptions.select_related("plan").order_by("-effective_from"))
    changes = [
        Change(later.effective_from, later.plan, None)
        for later in history
        if later.effective_from > now and (agreement is None or later != agreement.subscription)
    ]
    if agreement is not None:
        announced: list[Terms] = [
            *CustomTerms.objects.filter(subscription=agreement.subscription, effective_from__gt=now)
        ]
        if not isinstance(agreement.terms, CustomTerms):
            announced += PlanTerms.objects.filter(plan=agreement.plan, effective_from__gt=now)
        changes += [
            Change(terms.effective_from, agreement.plan, terms)
            for terms in announced
            if terms != agreement.terms
        ]
    zone = account.zone
    return SubscriptionPage(
        agreement=agreement,
        is_custom=agreement is not None and isinstance(agreement.terms, CustomTerms),
        examples=examples_of(agreement.terms) if agreement else [],
        cycle_starts_at=cycle.starts_at.astimezone(zone) if cycle else None,
        renews_at=cycle.ends_at.astimezone(zone) if cycle else None,
        credits=list(account.grants.filter(is_open=True)),
        changes=sorted(changes, key=lambda change: change.at),
        history=[past for past in history if past.effective_from <= now],
    )
