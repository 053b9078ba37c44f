"""The pages of Call Usage & Credits: the numbers and the log, one call, one row, the file."""

import json
from dataclasses import replace
from datetime import datetime

from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone

from billing.plans.cycles import Cycle
from billing.plans.granting import current_cycle
from calls.models import FileImport
from calls.usage.counts import new_rows
from calls.usage.export import TooManyFoundError, export_csv
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period, Preset
from calls.usage.report import usage_report
from dashboard.access import AccountRequest, account_page
from dashboard.expiring import expiring_soon, grants_left
from dashboard.pages import render_page, to_real_page
from dashboard.usage import agents
from dashboard.usage.agents import agents_page
from dashboard.usage.as_of import AsOf, read_as_of
from dashboard.usage.call import call_page
from dashboard.usage.chart import chart_data
from dashboard.usage.compared import compared
from dashboard.usage.form import UsageForm
from dashboard.usage.outlook import outlook_of
from dashboard.usage.row import row_page

TOO_MANY = "Too many calls begin like this. Type more of the call ID, or choose fewer days."


@account_page()
def usage(request: AccountRequest) -> HttpResponse:
    """Show Call Usage & Credits; to htmx only the part of it that the filters change."""
    now = request.frame.now
    as_of = read_as_of(request.GET.get("as_of", ""), balance=request.balance, now=now)
    if as_of:
        form = _form_without_page(request, now=as_of.at)
    else:
        form = _form(request, now=now, cycle=request.frame.cycle)
    period = form.chosen_period
    is_by_agent = request.GET.get("view") == agents.VIEW
    report = usage_report(
        account=request.account,
        period=period,
        filters=_with_state(form.usage_filters, as_of),
        page_number="1" if is_by_agent else request.GET.get("page", "1"),
        agents_wanted=is_by_agent,
    )
    by_agent = None
    if is_by_agent:
        by_agent = agents_page(
            report.by_agent,
            sort=request.GET.get("sort", ""),
            page_number=request.GET.get("page", "1"),
        )
    elsewhere = to_real_page(request, shown=(by_agent or report).rows.number)
    if elsewhere is not None:
        return elsewhere
    left = grants_left(account=request.account, now=now)
    today = now.astimezone(period.zone).date()
    chart = chart_data(granularity=period.granularity, bars=report.bars, today=today)
    context = {
        "usage": report,
        "period": period,
        "filters": form,
        "chart": chart,
        "chart_json": json.dumps(chart),
        "expiring": expiring_soon(left=left, now=now),
        "compared": compared(report),
        "by_agent": by_agent,
        "as_of": str(AsOf(report.last_seq, as_of.at if as_of else now)),
    }
    if not form.usage_filters:
        context["outlook"] = outlook_of(period=period, counted=report.counted, grants=left, now=now)
    return render_page(
        request, "dashboard/usage/usage.html", context, part="dashboard/usage/content.html"
    )


@account_page(framed=False)
def export(request: AccountRequest) -> HttpResponse | StreamingHttpResponse:
    """Send the log under the page's period and filters as a CSV file."""
    asked = request.GET.get("as_of", "")
    as_of = read_as_of(asked, balance=request.balance, now=timezone.now()) if asked else None
    form = _form_without_page(request, now=as_of.at if as_of else None)
    period = form.chosen_period
    filters = _with_state(form.usage_filters, as_of)
    if request.GET.get("view") == agents.VIEW:
        return _export_of_agents(request, period, filters)
    try:
        lines = export_csv(account=request.account, period=period, filters=filters)
    except TooManyFoundError:
        return HttpResponse(TOO_MANY, status=400, content_type="text/plain; charset=utf-8")
    name = f"call-usage-{request.account.slug}-{period.first_day}-to-{period.last_day}.csv"
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _export_of_agents(
    request: AccountRequest, period: Period, filters: UsageFilters
) -> HttpResponse:
    report = usage_report(
        account=request.account, period=period, filters=filters, agents_wanted=True
    )
    if report.search is not None and report.search.too_many:
        return HttpResponse(TOO_MANY, status=400, content_type="text/plain; charset=utf-8")
    days = f"{period.first_day}-to-{period.last_day}"
    name = f"call-usage-by-agent-{request.account.slug}-{days}.csv"
    return HttpResponse(
        agents.agents_csv(report.by_agent, sort=request.GET.get("sort", "")),
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
    # As digits, because JavaScript rounds numbers above 2^53.
    told = {**found, "balance": str(found["balance"])}
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


@account_page()
def call(request: AccountRequest, call_id: str) -> HttpResponse:
    """Show one call and the arithmetic of its charge."""
    page = call_page(account=request.account, call_id=call_id)
    if page is None:
        raise Http404("No such call.")
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


def _with_state(filters: UsageFilters, as_of: AsOf | None) -> UsageFilters:
    return filters if as_of is None else replace(filters, until_seq=as_of.seq)


def _form_without_page(request: AccountRequest, *, now: datetime | None = None) -> UsageForm:
    """Read the form of bare data: the billing cycle is read only if the address asks for it."""
    now = now or timezone.now()
    cycle = None
    if request.GET.get("period") == Preset.THIS_CYCLE:
        cycle = current_cycle(account=request.account, at=now)
    return _form(request, now=now, cycle=cycle)
