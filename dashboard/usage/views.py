"""The pages of Call Usage & Credits: the numbers and the log, one call, one row, the file."""

import json
from datetime import datetime

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from billing.plans.cycles import Cycle
from billing.plans.granting import current_cycle
from calls.models import FileImport
from calls.usage.counts import new_rows
from calls.usage.export import TooManyFoundError, export_csv
from calls.usage.periods import Preset
from calls.usage.report import usage_report
from dashboard.access import AccountRequest, account_page
from dashboard.expiring import expiring_soon, grants_left
from dashboard.pages import render_page, to_real_page
from dashboard.usage.call import call_id_of, call_page
from dashboard.usage.chart import chart_data
from dashboard.usage.form import UsageForm
from dashboard.usage.outlook import outlook_of
from dashboard.usage.row import row_page


@account_page()
def usage(request: AccountRequest) -> HttpResponse:
    """Show Call Usage & Credits; to htmx only the part of it that the filters change."""
    now = request.frame.now
    form = _form(request, now=now, cycle=request.frame.cycle)
    period = form.chosen_period
    report = usage_report(
        account=request.account,
        period=period,
        filters=form.usage_filters,
        page_number=request.GET.get("page", "1"),
    )
    elsewhere = to_real_page(request, shown=report.rows.number)
    if elsewhere is not None:
        return elsewhere
    left = grants_left(account=request.account, now=now)
    chart = chart_data(granularity=period.granularity, bars=report.bars)
    context = {
        "usage": report,
        "period": period,
        "filters": form,
        "chart": chart,
        "chart_json": json.dumps(chart),
        "expiring": expiring_soon(left=left, now=now),
    }
    if not form.usage_filters:
        context["outlook"] = outlook_of(period=period, counted=report.counted, grants=left, now=now)
    return render_page(
        request, "dashboard/usage/usage.html", context, part="dashboard/usage/content.html"
    )


@account_page(framed=False)
def export(request: AccountRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the log under the page's period and filters as a CSV file."""
    form = _form_without_page(request)
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
    form = _form_without_page(request)
    found = new_rows(
        balance=request.balance,
        period=form.chosen_period,
        filters=form.usage_filters,
        since=request.GET.get("since", ""),
    )
    return JsonResponse(found, headers={"Cache-Control": "no-store"})


@account_page()
def call(request: AccountRequest, call_id: str) -> HttpResponse:
    """Show one call and the arithmetic of its charge, by any of its IDs."""
    page = call_page(account=request.account, call_id=call_id)
    if page is None:
        linked_to = call_id_of(account=request.account, call_id=call_id)
        if linked_to is None:
            raise Http404("No such call.")
        return redirect("dashboard:call", request.account.slug, linked_to)
    return render(request, "dashboard/usage/call.html", {"page": page})


@account_page()
def row(request: AccountRequest, seq: int) -> HttpResponse:
    """Show one row of the log that is not a call: a top-up, an expiry, an adjustment …"""
    page = row_page(
        account=request.account,
        seq=seq,
        may_pay=request.membership.may_pay,
        now=request.frame.now,
    )
    if page is None:
        raise Http404("No such row.")
    return render(request, "dashboard/usage/row.html", {"page": page})


def _form(request: AccountRequest, *, now: datetime, cycle: Cycle | None) -> UsageForm:
    zone = request.account.zone
    return UsageForm(
        request.GET,
        today=now.astimezone(zone).date(),
        zone=zone,
        cycle=(cycle.starts_at, cycle.ends_at) if cycle else None,
        imports=FileImport.objects.filter(account=request.account),
    )


def _form_without_page(request: AccountRequest) -> UsageForm:
    """Read the form of bare data: the billing cycle is read only if the address asks for it."""
    now = timezone.now()
    cycle = None
    if request.GET.get("period") == Preset.THIS_CYCLE:
        cycle = current_cycle(account=request.account, at=now)
    return _form(request, now=now, cycle=cycle)
