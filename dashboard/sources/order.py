"""The order of an account's sources: which counts where two report one call.

The page shows an order that somebody is trying, with what it would do; only its button changes it.
What happens is decided in `calls.ordering`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse

from billing import clock
from billing.queue import enqueue
from billing.refusals import Refusal
from billing.texts import grouped, in_credits
from calls import ordering
from calls.inbox.sources import platform_of
from calls.models import CallSource, OrderChange
from calls.tasks import follow_order
from dashboard.access import AccountRequest, account_page


class Place(NamedTuple):
    """A source in the order that is shown, and where its button leads: the order with it higher."""

    source: CallSource
    platform: str
    higher_url: str


def _change(request: AccountRequest) -> HttpResponse:
    """Take the order that the page showed."""
    shown = _ids(request.POST.get("order", ""))
    try:
        change = ordering.change_order(
            account_id=request.account.pk, source_ids=shown, now=clock.now()
        )
    except Refusal as refusal:
        return _page(request, _sources(request), problem=refusal.message, status=409)
    enqueue(follow_order, change.pk)
    return redirect("dashboard:source_order", request.account.slug)


@account_page(manages=True, action=_change)
def source_order(request: AccountRequest) -> HttpResponse:
    """Show the order of the sources, or one that is being tried with what it would do."""
    sources = _sources(request)
    wanted = _ids(request.GET.get("order", ""))
    by_id = {source.pk: source for source in sources}
    if sorted(wanted) == sorted(by_id):
        return _page(request, [by_id[pk] for pk in wanted])
    return _page(request, sources)


def _page(
    request: AccountRequest, shown: Sequence[CallSource], *, problem: str = "", status: int = 200
) -> HttpResponse:
    order = [source.pk for source in shown]
    current = sorted(shown, key=lambda source: source.position)
    is_tried = [source.pk for source in current] != order
    latest = OrderChange.objects.filter(account=request.account).order_by("-pk").first()
    context = {
        "places": [
            Place(source, platform_of(source).label, _url(request, _higher(order, place)))
            for place, source in enumerate(shown)
        ],
        "order": _text(order),
        "is_tried": is_tried,
        "preview": _preview_words(request, order) if is_tried else "",
        "latest": latest,
        "latest_words": _done_words(latest) if latest else "",
        "problem": problem,
    }
    return render(request, "dashboard/sources/order.html", context, status=status)


def _url(request: AccountRequest, order: Sequence[int]) -> str:
    query = {"order": _text(order)}
    return reverse("dashboard:source_order", args=[request.account.slug], query=query)


def _sources(request: AccountRequest) -> list[CallSource]:
    own = CallSource.objects.filter(account=request.account, deleted_at=None)
    return list(own.order_by("position"))


def _preview_words(request: AccountRequest, order: Sequence[int]) -> str:
    preview = ordering.preview_order(
        account_id=request.account.pk, source_ids=order, now=request.frame.now
    )
    if not preview.looked_at:
        return "No call is reported by several sources yet, so nothing changes for now."
    among = f"Of the first {grouped(preview.looked_at)} calls" if preview.more else "Of the calls"
    return (
        f"{among} that several sources report, {grouped(preview.corrected)} would be corrected: "
        f"{_difference(preview.credits)}."
    )


def _done_words(change: OrderChange) -> str:
    calls = f"{grouped(change.corrected)} call{pluralize(change.corrected, ' was,s were')}"
    done = f"{calls} corrected: {_difference(change.credits)}"
    if change.finished_at is None:
        return f"Calls are following it now: {done} so far."
    return f"{done}."


def _difference(credits: int) -> str:
    if not credits:
        return "they cost the same"
    return f"{in_credits(abs(credits))} {'more' if credits > 0 else 'less'}"


def _higher(order: Sequence[int], place: int) -> list[int]:
    moved = list(order)
    if place:
        moved[place - 1 : place + 1] = moved[place], moved[place - 1]
    return moved


def _ids(text: str) -> list[int]:
    parts = text.split(",") if text else []
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        return []
    return [int(part) for part in parts]


def _text(order: Sequence[int]) -> str:
    return ",".join(map(str, order))
