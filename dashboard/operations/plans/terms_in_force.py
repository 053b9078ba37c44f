"""Which terms of a plan are in force."""

from datetime import datetime

from billing.models import Plan, PlanTerms
from billing.plans.tariffs import in_force_or_first


def plan_terms_at(plan: Plan, now: datetime) -> PlanTerms | None:
    """The terms of ``plan`` in force; before its first ones, the first; None where it has none."""
    if plan._state.adding:
        return None
    terms = sorted(plan.terms.all(), key=lambda one: one.effective_from)
    return in_force_or_first(terms, now)
