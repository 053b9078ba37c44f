"""How far back calls may lie. Pure: records and the periods of the pages hold to the same day."""

from datetime import UTC, date, datetime, timedelta

# Earlier calls are taken for a mistake: a clock that was never set, or a year with two digits.
FIRST_DAY = date(2000, 1, 1)

# The last time zones reach a day twelve hours after UTC. Only then is it FIRST_DAY for every
# account, so that a period that begins with FIRST_DAY shows every call there is.
FIRST_INSTANT = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) + timedelta(
    hours=12
)
