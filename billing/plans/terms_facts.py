"""What the activity log says of terms: the numbers before and after."""

from billing.activity import Changes, Money, changed
from billing.models import Terms

NUMBERS = (
    "increment_seconds",
    "credits_per_increment",
    "credits_per_cycle",
    "concurrent_calls",
)


def terms_changed(before: Terms | None, after: Terms | None) -> Changes:
    """The numbers in which two terms differ; of none, all are empty."""
    return changed(_facts(before), _facts(after))


def _facts(terms: Terms | None) -> dict[str, object]:
    if terms is None:
        return {}
    prices = {f"price {code}": Money(minor, code) for code, minor in sorted(terms.prices.items())}
    return {**{name: getattr(terms, name) for name in NUMBERS}, **prices}
