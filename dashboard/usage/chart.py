"""The numbers of the graph, as the page's script reads them."""

from collections.abc import Sequence
from typing import Any

from billing.models.ledger import USAGE_TYPES
from calls.usage.bars import Bar
from calls.usage.periods import Granularity


def chart_data(*, granularity: Granularity, bars: Sequence[Bar]) -> dict[str, Any]:
    """Return the ``bars`` for the canvas's `data-usage`."""
    return {
        "granularity": granularity.value,
        "usage_types": [[value, label] for value, label in USAGE_TYPES],
        "days": [
            {
                "start": bar.first_day.isoformat(),
                "end": bar.last_day.isoformat(),
                "label": bar.label,
                "short": bar.short,
                "weekend": granularity is Granularity.DAY and bar.is_weekend,
                "calls": bar.calls,
                "credits_used": bar.credits_used,
                "by_type": bar.by_type,
                "credits_added": bar.credits_added,
                "credits_removed": bar.credits_removed,
                "billed_minutes": bar.billed_minutes,
                "high": bar.is_high,
            }
            for bar in bars
        ],
    }
