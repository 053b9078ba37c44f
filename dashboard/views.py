"""The pages. Each view reads what it shows from one selector and renders it."""

import json
from datetime import datetime
from typing import cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from billing.models import LedgerEntry
from billing.plans.subscriptions import current_cycle
from calls.usage.counts import new_rows, usage_page
from calls.usage.export import TooManyFoundError, export_csv
from calls.usage.graph import chart_data
from calls.usage.log import Entry, log_rows
from calls.usage.periods import Preset
from dashboard.access import AccountRequest, account_page, accounts_of, last_seen
from dashboard.account.overview import overview
from dashboard.expiring import expiring_soon, grants_left
from dashboard.frame import Frame
from dashboard.page_numbers import to_real_page
from dashboard.plans.offers import plan_offers, subscription_page
from dashboard.top_up.status import url_behind_row
from dashboard.usage.call import call_page
from dashboard.usage.form import UsageForm
from dashboard.usage.outlook import outlook_of


@require_safe
@login_required
def landing(request: HttpRequest) -> HttpResponse:
    """Go to the account that the person saw last, else to the first of theirs."""
    membership = last_seen(request, accounts_of(cast(User, request.user)))
    if membership is None:
        return render(request, "dashboard/no_account.html")
    return redirect("dashboard:home", membership.account.slug)


@account_page()
def home(request: AccountRequest) -> HttpResponse:
    """Show how the account stands: balance, this cycle's use, the latest rows."""
    context = {"overview": overview(account=request.account, frame=_frame(request))}
    return render(request, "dashboard/home.html", context)


@account_page()
def usage(request: AccountRequest) -> HttpResponse:
    """Show Call Usage & Credits; to htmx only the part of it that the filters change."""
    frame = _frame(request)
    form = _form(request, now=frame.now)
    page = usage_page(
        account=request.account,
        period=form.chosen_period,
        filters=form.usage_filters,
        page_number=request.GET.get("page", "1"),
    )
    elsewhere = to_real_page(request, shown=page.paging.number)
    if elsewhere is not None:
        return elsewhere
    left = grants_left(account=request.account, now=frame.now)
    chart = chart_data(granularity=page.granularity, bars=page.days)
    context = {
        "usage": page,
        "period": form.chosen_period,
        "filters": form,
        "chart": chart,
        "chart_json": json.dumps(chart),
        "expiring": expiring_soon(left=left, now=frame.now),
    }
    if not form.usage_filters:
        context["outlook"] = outlook_of(
            period=form.chosen_period, counted=page.counted, grants=left, now=frame.now
        )
    htmx = request.htmx
    is_part = htmx and not htmx.boosted and not htmx.history_restore_request
    template = "dashboard/usage_content.html" if is_part else "dashboard/usage.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request"])
    return response


@account_page(framed=False)
def export(request: AccountRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the log under the page's period and filters as a CSV file."""
    form = _form(request, now=timezone.now())
    period = form.chosen_period
    try:
        lines = export_csv(account=request.account, period=period, filters=form.usage_filters)
    except TooManyFoundError:
        words = "Too many calls begin like this. Type more of the call ID, or choose fewer days."
        return HttpResponse(words, status=400, content_type="text/plain; charset=utf-8")
    name = f"call-usage-{request.account.slug}-{period.first_day}-to-{period.last_day}.csv"
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@account_page(framed=False)
def changes(request: AccountRequest) -> JsonResponse:
    """Tell a page that is open how many rows were booked since it was read, and the balance."""
    form = _form(request, now=timezone.now())
    found = new_rows(
        balance=request.balance,
        period=form.chosen_period,
        filters=form.usage_filters,
        since=request.GET.get("since", ""),
    )
    return JsonResponse(found, headers={"Cache-Control": "no-store"})


@account_page()
def call(request: AccountRequest, call_id: str) -> HttpResponse:
    """Show one call and the arithmetic of its charge."""
    page = call_page(account=request.account, call_id=call_id)
    if page is None:
        raise Http404("No such call.")
    return render(request, "dashboard/call.html", {"page": page})


@account_page()
def row(request: AccountRequest, seq: int) -> HttpResponse:
    """Show one row of the log that is not a call: a top-up, an expiry, an adjustment …"""
    account = request.account
    found = Entry.read(LedgerEntry.objects.filter(account=account, seq=seq))
    if not found:
        raise Http404("No such row.")
    (shown,) = log_rows(account=account, entries=found)
    may_pay = request.membership.may_pay
    top_up_url = url_behind_row(account=account, seq=seq) if may_pay else ""
    return render(request, "dashboard/row.html", {"row": shown, "top_up_url": top_up_url})


@account_page(pays=True)
def plans(request: AccountRequest) -> HttpResponse:
    """Show what the plans include and what calls cost under them."""
    frame = _frame(request)
    offers = plan_offers(agreement=frame.agreement, upcoming=frame.upcoming, now=frame.now)
    return render(request, "dashboard/plans.html", {"offers": offers})


@account_page(pays=True)
def subscription(request: AccountRequest) -> HttpResponse:
    """Show the account's plan, its cycle, and which credits are left until when."""
    frame = _frame(request)
    page = subscription_page(account=request.account, agreement=frame.agreement, now=frame.now)
    return render(request, "dashboard/subscription.html", {"page": page})


@account_page()
def troubleshooting(request: AccountRequest) -> HttpResponse:
    """Explain what people ask about their credits."""
    return render(request, "dashboard/troubleshooting.html")


def _frame(request: AccountRequest) -> Frame:
    assert request.frame is not None
    return request.frame


def _form(request: AccountRequest, *, now: datetime) -> UsageForm:
    zone = request.account.zone
    cycle = None
    if request.frame is not None:
        cycle = request.frame.cycle
    elif request.GET.get("period") == Preset.THIS_CYCLE:
        cycle = current_cycle(account=request.account, at=now)
    return UsageForm(
        request.GET,
        today=now.astimezone(zone).date(),
        zone=zone,
        cycle=(cycle.starts_at, cycle.ends_at) if cycle else None,
    )
