"""What a page has many of, and many parts in each: rows of tables, links, options of a choice.

They are put together here, because a template takes three times as long for each.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, cast
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from billing.models import CreditGrant
from calls.usage.bars import Bar
from calls.usage.filters import NO_AGENT, NO_AGENT_WORDS
from calls.usage.log import LogRow
from calls.usage.periods import Preset
from dashboard.templatetags.figures import added, grouped, middle, unbroken, used
from dashboard.templatetags.links import row_url
from dashboard.templatetags.times import at, on_day

register = template.Library()

LOG_ROW = """
<tr role="row"{other}>
<td class="log-time" role="cell">{time}{booked}</td>
<td class="log-id" role="cell"><a href="{url}"{spoken}>{name}</a></td>
<td class="log-credits number{not_used}" role="cell" data-unit="used">{used}</td>
<td class="log-credits number{not_added}" role="cell" data-unit="credits">{added}</td>
<td class="log-remarks" role="cell">{words}</td>
</tr>"""
EMPTY = mark_safe("")  # an unmarked text is escaped, even an empty one
OF_OTHERS = mark_safe(' class="log-other"')
NOTHING_HERE = mark_safe(" log-nothing")
BOOKED = '<span class="log-booked">Booked {}</span>'

GRANT_FACT = '<dt>{}</dt><dd>{} of {}<span class="soft">{}</span></dd>'
UNTIL = " until {}"

BAR_ROW = '<tr><th scope="row">{}{}</th>{}</tr>'
HIGH = mark_safe(' <span class="tag tag-danger">High usage</span>')

PERIOD_LINK = """
<li><a href="{query}" hx-get="{url}{query}" hx-target="#usage" hx-push-url="true" \
hx-indicator="#usage, #loading"{current}>{label}</a></li>"""
CURRENT = mark_safe(' aria-current="true"')

CHOSEN = mark_safe(" selected")
MORE_AGENTS = mark_safe("<option disabled>For more agents, use “Show by agent”</option>")


@register.simple_tag
def log_rows(rows: Iterable[LogRow], booked: bool = False) -> SafeString:
    """Lines of the log; with ``booked`` they say when each was booked."""
    return format_html_join("", LOG_ROW, (_cells_of(row, booked) for row in rows))


def _cells_of(row: LogRow, booked: bool) -> dict[str, str]:
    return {
        "other": EMPTY if row.is_call else OF_OTHERS,
        "time": at(row.occurred_at),
        "booked": format_html(BOOKED, at(row.posted_at)) if booked else EMPTY,
        "url": row_url(row),
        "spoken": format_html(' aria-label="{}"', row.call_id) if row.call_id else EMPTY,
        "name": middle(row.call_id) if row.call_id else row.kind_label,
        "not_used": NOTHING_HERE if row.credits_added else EMPTY,
        "used": used(row.credits_used),
        "not_added": EMPTY if row.credits_added else NOTHING_HERE,
        "added": added(row.credits_added),
        "words": unbroken(row.words),
    }


@register.simple_tag
def grant_facts(grants: Iterable[CreditGrant], zone: ZoneInfo) -> SafeString:
    """What is left of each grant and until when, for a list of facts."""
    return format_html_join(
        "",
        GRANT_FACT,
        (
            (
                grant.get_source_display(),
                grouped(grant.remaining),
                grouped(grant.credits),
                format_html(UNTIL, on_day(grant.expires_at, zone)) if grant.expires_at else EMPTY,
            )
            for grant in grants
        ),
    )


@register.simple_tag
def bar_rows(bars: Iterable[Bar]) -> SafeString:
    """The numbers of the bars of the graph, in the order of the table's columns."""
    return format_html_join(
        "",
        BAR_ROW,
        ((bar.label, HIGH if bar.is_high else EMPTY, _numbers_of(bar)) for bar in bars),
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
def period_links(
    presets: Iterable[tuple[Preset, str, str]], usage_url: str, chosen: Preset
) -> SafeString:
    """Links to the periods that are offered, which are `UsageForm.presets`."""
    return format_html_join(
        "",
        PERIOD_LINK,
        (
            {
                "query": query,
                "url": usage_url,
                "current": CURRENT if preset is chosen else EMPTY,
                "label": label,
            }
            for preset, label, query in presets
        ),
    )


@register.simple_tag
def choice(field: BoundField) -> SafeString:
    """A field of a form to choose from, as Django's own widget would have it, with its label."""
    return _select(field, tuple(cast(Any, field.field).choices))


@register.simple_tag
def choice_of_agent(field: BoundField, agents: Sequence[str], more_agents: bool) -> SafeString:
    """The same for the ``agents``; another that the field holds is offered beside them."""
    chosen = field.value()
    other = chosen if chosen and chosen != NO_AGENT and chosen not in agents else None
    named = agents if other is None else [other, *agents]
    choices = (("", "All agents"), (NO_AGENT, NO_AGENT_WORDS), *((name, name) for name in named))
    return _select(field, choices, MORE_AGENTS if more_agents else EMPTY)


def _select(
    field: BoundField, choices: tuple[tuple[str, str], ...], last: SafeString = EMPTY
) -> SafeString:
    return format_html(
        '{}<select name="{}"{} id="{}">{}{}</select>',
        _label(field),
        field.html_name,
        _faults(field),
        field.id_for_label,
        _options(choices, field.value()),
        last,
    )


@lru_cache(maxsize=64)
def _options(choices: tuple[tuple[str, str], ...], chosen: str) -> SafeString:
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((value, CHOSEN if value == chosen else EMPTY, label) for value, label in choices),
    )


@register.simple_tag
def day_input(field: BoundField) -> SafeString:
    """A field of a form that takes a day, as Django's own widget would have it, with its label."""
    return format_html(
        '{}<input type="date" name="{}" value="{}"{} id="{}">',
        _label(field),
        field.html_name,
        field.value(),
        _faults(field),
        field.id_for_label,
    )


def _label(field: BoundField) -> SafeString:
    return format_html('<label for="{}">{}</label>', field.id_for_label, field.label)


def _faults(field: BoundField) -> SafeString | str:
    """What says of a field that something is wrong with it, and where that is said."""
    if not field.errors:
        return ""
    return format_html(' aria-invalid="true" aria-describedby="{}_error"', field.id_for_label)
