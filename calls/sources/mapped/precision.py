"""Whether the times of a file were cut to whole minutes, so that its lengths say more.

That a time is written without seconds is seen in each record (`reading`). That seconds are zero in
all of them is only seen in whole columns.
"""

from dataclasses import replace
from typing import Any, Final

from calls.sources.mapped.profile import Profile
from calls.sources.mapped.whole_columns import WholeColumns

RECORDS_MIN: Final = 3  # fewer may begin and end with a minute by chance
COUNTED: Final = ("epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "gregorian_s", "excel")
TIMES: Final = ("started_at", "connected_at", "ended_at")


def may_be_cut(profile: Profile) -> bool:
    """Whether lengths could say more than the times: both are told, and the times in digits."""
    moments = [moment for name in TIMES if (moment := getattr(profile, name)) is not None]
    has_lengths = profile.talk is not None or profile.total is not None
    return has_lengths and not any(moment.form in COUNTED for moment in moments)


def with_precision(profile: Profile, whole: WholeColumns) -> Profile:
    """Let lengths decide where no time in ``whole`` has seconds that are not zero."""
    if not may_be_cut(profile) or whole.records < RECORDS_MIN or whole.has_seconds:
        return profile
    cut: dict[str, Any] = {
        name: replace(moment, precision="minute")
        for name in TIMES
        if (moment := getattr(profile, name)) is not None
    }
    return replace(profile, **cut)
