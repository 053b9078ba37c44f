"""Where the rows of the log lead."""

from django import template
from django.urls import reverse

from calls.usage.log import LogRow

register = template.Library()


@register.filter
def row_url(row: LogRow) -> str:
    """The page about a row: the call's, or its own where no call caused it."""
    return call_url(row) or reverse("dashboard:row", args=[row.slug, row.seq])


@register.filter
def call_url(row: LogRow) -> str:
    """The page of the call that caused a row, empty where none did or none can be addressed."""
    # Browsers take "." and ".." out of an address, even when they are quoted.
    if row.call_id and not {".", ".."}.intersection(row.call_id.split("/")):
        return reverse("dashboard:call", args=[row.slug, row.call_id])
    return ""
