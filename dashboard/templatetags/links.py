"""Where the rows of the log lead."""

from functools import lru_cache
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils.http import RFC3986_SUBDELIMS

from calls.usage.log import LogRow

register = template.Library()

SAFE_IN_PATHS = RFC3986_SUBDELIMS + "/~:@"  # what `reverse` does not quote either


@register.filter
def row_url(row: LogRow) -> str:
    """The page about a row: the call's, or its own where no call caused it."""
    return call_url(row) or reverse("dashboard:row", args=[row.slug, row.seq])


@register.filter
def call_url(row: LogRow) -> str:
    """The page of the call that caused a row, empty where none did or none can be addressed."""
    # Browsers take "." and ".." out of an address, even when they are quoted.
    if row.call_id and not {".", ".."}.intersection(row.call_id.split("/")):
        return f"{_calls_url(row.slug)}{quote(row.call_id, safe=SAFE_IN_PATHS)}/"
    return ""


@lru_cache(maxsize=500)
def _calls_url(slug: str) -> str:
    """What the addresses of an account's calls begin with: looked up once, not for every row."""
    return reverse("dashboard:call", args=[slug, "-"]).removesuffix("-/")
