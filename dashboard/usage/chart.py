"""The numbers of the graph, as the page's script reads them."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from billing.models.ledger import USAGE_TYPES
from calls.usage.bars import Bar
from calls.usage.periods import Granularity


def chart_data(*, granularity: Granularity, bars: Sequence[Bar], today: date) -> dict[str, Any]:
    """Return the ``bars`` for the canvas's `data-usage`; the one of ``today`` is not over yet."""
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
                "unfinished": bar.first_day <= today <= bar.last_day,
                "times_usual": bar.times_usual,
            }
            for bar in bars
        ],
        "has_unfinished": any(bar.first_day <= today <= bar.last_day for bar in bars),
    }
