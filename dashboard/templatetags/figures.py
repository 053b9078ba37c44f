"""How numbers are written on the pages: grouped, with a true minus, and spoken where needed.

Owns the marks on paper only; what a number means is decided where it is computed.
"""

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from billing import texts
from billing.models import Terms
from billing.money import format_money
from billing.plans import offers

register = template.Library()

# How much of the end of a long word stays when its middle gives way.
TAIL_LENGTH = 6

UNCOUNTED = mark_safe('<span aria-hidden="true">–</span><span class="spoken">not counted</span>')
NO_BREAK = "\u00a0"
FITS_ANYWHERE = len("+9,999,999")
_DIGITS = re.compile(r"[+−]?[\d,.]+", re.ASCII)
# As `calls.usage.words` writes it.
_ARITHMETIC = re.compile(r"(?:[\d,]+ × )?[\d,.]+ s\b")

NOTHING = mark_safe('<span aria-hidden="true">–</span><span class="spoken">none</span>')


grouped = register.filter(texts.grouped)
in_credits = register.filter(texts.in_credits)


@register.filter
def grouped_or_dash(number: int | None) -> str | SafeString:
    """The same, and a dash for what was not counted."""
    return UNCOUNTED if number is None else grouped(number)


@register.filter
def magnitude(number: int) -> int:
    """The number without its sign, for where words say which way it goes: "owes 5 credits"."""
    return abs(number)


@register.filter
def signed(number: int) -> str:
    """500 as "+500", -80 as "−80", 0 as "0"."""
    return f"+{number:,}" if number > 0 else grouped(number)


@register.filter
def balance_in_words(credits: int) -> str:
    """A balance as people say it: "12,480 credits", -1360 as "1,360 credits owed"."""
    return in_credits(abs(credits)) + (" owed" if credits < 0 else "")


@register.filter
def money(minor: int, currency: str) -> str:
    """Minor units with their currency: ``199900|money:"INR"`` is "INR 1,999"."""
    return format_money(minor, currency)


@register.filter
def price_in(terms: Terms, currency: str) -> str:
    """The price of ``terms`` in a currency, as in "GBP 19"; "" where they have none in it."""
    minor = terms.price_in(currency)
    return "" if minor is None else format_money(minor, currency)


@register.filter
def price_per_credit(terms: Terms, currency: str) -> str:
    """The price of a credit of a cycle, to a minor unit: "INR 6.67"; "" where there is none."""
    minor = offers.price_per_credit(terms, currency)
    if minor is None:
        return ""
    rounded = int(minor + Fraction(1, 2))
    if minor and not rounded:
        return f"less than {format_money(1, currency)}"
    return format_money(rounded, currency)


@register.filter
def minutes_included(terms: Terms) -> str:
    """How long the credits of a cycle last at most: "750 min"; "" where there are none."""
    seconds = offers.seconds_included(terms)
    return f"{grouped(seconds // 60)} min" if seconds else ""


@register.filter
def of_plan(by_plan: Mapping[int, Any], key: int) -> Any:
    """What there is of the plan with that key, if anything."""
    return by_plan.get(key)


@register.filter
def largest(things: Iterable[object], attribute: str) -> int:
    """The largest value of an attribute, at least 1, so that a bar has something to be part of."""
    return max((int(getattr(thing, attribute)) for thing in things), default=1) or 1


@register.filter
def sum_of(things: Iterable[object], attribute: str) -> int:
    """The sum of an attribute."""
    return sum(int(getattr(thing, attribute)) for thing in things)


@register.filter
def foldable(written: str) -> str:
    """A number as it is written, which may fold at its commas where it is too long for its place.

    What fits anywhere stays as it is.
    """
    if not _DIGITS.fullmatch(written):
        return written
    if len(written) > FITS_ANYWHERE:
        written = written.replace(",", ",<wbr>")
    return SafeString(written)  # of digits and signs alone


def used(credits: int) -> str:
    """A cell of the column Credits Used: no sign, a dash for 0, a minus where some came back."""
    return foldable(grouped(credits)) if credits else NOTHING


def added(credits: int) -> SafeString:
    """A cell of the column Credits Added: always with its sign, a dash for 0."""
    if not credits:
        return NOTHING
    return format_html(
        '<span class="{}">{}</span>',
        "positive" if credits > 0 else "removed",
        foldable(signed(credits)),
    )


@register.filter
def unbroken(words: str) -> str:
    """Words whose arithmetic no line breaks: "65 s", "4 × 30 s"."""
    return _ARITHMETIC.sub(lambda found: found[0].replace(" ", NO_BREAK), words)


def middle(text: str) -> SafeString:
    """A long word whose middle gives way when there is no room.

    The whole of it stays in the page, so that it is spoken, found and copied whole.
    """
    if len(text) <= 2 * TAIL_LENGTH:
        return format_html('<span class="middle">{}</span>', text)
    return format_html(
        '<span class="middle" title="{}"><span class="middle-head">{}</span>{}</span>',
        text,
        text[:-TAIL_LENGTH],
        text[-TAIL_LENGTH:],
    )


@register.filter
def to_one_decimal(number: Fraction | None) -> str:
    """A part of a whole number: "3.2", a dash where there is none."""
    return "–" if number is None else f"{float(number):,.1f}"


@register.filter
def share(part: Fraction | None) -> str:
    """A part of all as a percentage: "12.5 %", a dash where there is none."""
    return "–" if part is None else f"{float(100 * part):,.1f} %"


@register.filter
def trend(change: Fraction | None) -> SafeString:
    """A change as a percentage with its direction, spoken too: "▲ 12 %", a dash where none is."""
    if change is None:
        return mark_safe("–")
    percent = round(100 * change)
    return up_or_down(percent) if percent else mark_safe("0 %")


@register.filter
def up_or_down(percent: int) -> SafeString:
    """A change, which is not zero, as "▲ 12 %", spoken "up 12 %"."""
    sign, word = ("▲", "up") if percent > 0 else ("▼", "down")
    return format_html(
        '<span aria-hidden="true">{}</span><span class="spoken">{}</span> {} %',
        sign,
        word,
        grouped(abs(percent)),
    )
