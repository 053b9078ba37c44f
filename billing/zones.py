"""Time zones: which an account may have. Imports no Django."""

from functools import cache
from zoneinfo import available_timezones

# Not even an offset: what they stand for is up to the machine.
NO_PLACES = {"Factory", "localtime"}


@cache
def place_names() -> frozenset[str]:
    """The names that an account may have, of the IANA time zone database, as Python knows it."""
    return frozenset(available_timezones() - NO_PLACES)
