"""How instants, days and lengths of time are written on the pages.

An instant is shown in the zone that it carries, or in the one given: this is where a page could
disagree with another, so no template formats a time by itself. In an hour that comes twice, because
the clocks are set back, the time says which one is meant: "25 Oct 2026, 01:30 BST".
"""

from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
DAY = "{day} %b %Y"
MICROSECOND = timedelta(microseconds=1)


@register.filter
def at(instant: datetime, zone: tzinfo | None = None) -> SafeString:
    """An instant as "23 Nov 2026, 14:05", with the exact one in ``datetime`` and ``title``."""
    return _time(instant, zone, f"{DAY}, %H:%M")


@register.filter
def at_second(instant: datetime, zone: tzinfo | None = None) -> SafeString:
    """An instant as "23 Nov 2026, 14:05:09"."""
    return _time(instant, zone, f"{DAY}, %H:%M:%S")


@register.filter
def on_day(instant: datetime, zone: tzinfo | None = None) -> SafeString:
    """The day of an instant, as "23 Nov 2026"; the title has the exact time."""
    return _time(instant, zone, DAY)


@register.filter
def day(value: date) -> str:
    """A day as "23 Nov 2026"."""
    return f"{value.day} {value:%b %Y}"


@register.filter
def duration(length: int | Decimal | timedelta) -> str:
    """A length of time (a number means seconds) as "1 h 2 min 3 s"; exact: "2.000001 s"."""
    if isinstance(length, timedelta):
        length = Decimal(length // MICROSECOND).scaleb(-6)
    seconds = Decimal(length)
    whole = int(seconds)
    hours, rest = divmod(whole, SECONDS_PER_HOUR)
    minutes, last = divmod(rest, SECONDS_PER_MINUTE)
    fraction = f"{seconds - whole:.6f}".removeprefix("0").rstrip("0").rstrip(".")
    parts = [
        f"{hours:,} h" if hours else "",
        f"{minutes} min" if minutes else "",
        f"{last}{fraction} s" if last or fraction or not whole else "",
    ]
    return " ".join(part for part in parts if part)


@register.filter
def in_seconds(length: int | Decimal) -> str:
    """A length of time as charges count it, in seconds: "60 s", exact: "103.764 s"."""
    return f"{Decimal(length):,.6f}".rstrip("0").rstrip(".") + " s"


def _time(instant: datetime, zone: tzinfo | None, pattern: str) -> SafeString:
    local = instant.astimezone(zone) if zone else instant
    if pattern != DAY and local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
        pattern += " %Z"
    offset = local.isoformat(timespec="minutes")[16:22]  # of "2026-11-23T14:05+05:30"
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        f"{_written(local, '%A {day} %B %Y, %H:%M:%S')}, {_zone_name(local)} (UTC{offset})",
        _written(local, pattern),
    )


def _written(local: datetime, pattern: str) -> str:
    """``local`` by a pattern of `strftime`, which has no day of the month without a zero."""
    return local.strftime(pattern.format(day=local.day))


def _zone_name(local: datetime) -> str:
    """The zone as people know it ("Asia/Kolkata"), else its abbreviation."""
    return getattr(local.tzinfo, "key", None) or local.tzname() or "UTC"
