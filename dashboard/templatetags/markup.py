"""What a page has many of, and many parts in each: rows of tables, options of a choice.

They are put together here, because a template takes three times as long for each.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from django import template
from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from calls.usage.bars import Bar
from calls.usage.log import LogRow
from dashboard.templatetags.figures import added, grouped, middle, unbroken, used
from dashboard.templatetags.links import row_url
from dashboard.templatetags.times import at

register = template.Library()

LOG_ROW = """
<tr role="row"{other}>
<td class="log-time" role="cell">{time}{booked}</td>
<td class="log-id" role="cell"><a href="{url}"{spoken}>{name}</a></td>
<td class="log-credits number{not_used}" role="cell" data-unit="used">{used}</td>
<td class="log-credits number{not_added}" role="cell" data-unit="credits">{added}</td>
<td class="log-remarks" role="cell">{words}</td>
</tr>"""
OF_OTHERS = mark_safe(' class="log-other"')
NOTHING_HERE = mark_safe(" log-nothing")
BOOKED = '<span class="log-booked">Booked {}</span>'

BAR_ROW = '<tr><th scope="row">{}{}</th>{}</tr>'
HIGH = mark_safe(' <span class="tag tag-danger">High usage</span>')

CHOSEN = mark_safe(" selected")


@register.simple_tag
def log_rows(rows: Iterable[LogRow], booked: bool = False) -> SafeString:
    """Lines of the log; with ``booked`` they say when each was booked."""
    return format_html_join("", LOG_ROW, (_cells_of(row, booked) for row in rows))


def _cells_of(row: LogRow, booked: bool) -> dict[str, str]:
    return {
        "other": "" if row.is_call else OF_OTHERS,
        "time": at(row.occurred_at),
        "booked": format_html(BOOKED, at(row.posted_at)) if booked else "",
        "url": row_url(row),
        "spoken": format_html(' aria-label="{}"', row.call_id) if row.call_id else "",
        "name": middle(row.call_id) if row.call_id else row.kind_label,
        "not_used": NOTHING_HERE if row.credits_added else "",
        "used": used(row.credits_used),
        "not_added": "" if row.credits_added else NOTHING_HERE,
        "added": added(row.credits_added),
        "words": unbroken(row.words),
    }


@register.simple_tag
def bar_rows(bars: Iterable[Bar]) -> SafeString:
    """The numbers of the bars of the graph, in the order of the table's columns."""
    return format_html_join(
        "",
        BAR_ROW,
        ((bar.label, HIGH if bar.is_high else "", _numbers_of(bar)) for bar in bars),
    )


def _numbers_of(bar: Bar) -> SafeString:
    numbers: tuple[Any, ...] = (
        bar.calls,
        bar.credits_used,
        *bar.by_type.values(),
        bar.credits_added,
        bar.credits_removed,
        bar.billed_minutes,
    )
    # Digits need no escaping.
    return SafeString("".join(f'<td class="amount">{grouped(number)}</td>' for number in numbers))


@register.simple_tag
def choice(field: BoundField) -> SafeString:
    """A field of a form to choose from, as Django's own widget would have it."""
    return format_html(
        '<select name="{}"{} id="{}">{}</select>',
        field.html_name,
        _faults(field),
        field.id_for_label,
        _options(tuple(cast(Any, field.field).choices), field.value()),
    )


@lru_cache(maxsize=64)
def _options(choices: tuple[tuple[str, str], ...], chosen: str) -> SafeString:
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((value, CHOSEN if value == chosen else "", label) for value, label in choices),
    )


@register.simple_tag
def day_input(field: BoundField) -> SafeString:
    """A field of a form that takes a day, as Django's own widget would have it."""
    return format_html(
        '<input type="date" name="{}" value="{}"{} id="{}">',
        field.html_name,
        field.value(),
        _faults(field),
        field.id_for_label,
    )


def _faults(field: BoundField) -> SafeString | str:
    """What says of a field that something is wrong with it, and where that is said."""
    if not field.errors:
        return ""
    return format_html(' aria-invalid="true" aria-describedby="{}_error"', field.id_for_label)
