"""The pages of Call Usage & Credits: the numbers and the log, one call, one row, the file."""

import json
from dataclasses import replace

from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from billing import clock
from calls.usage.call import call_id_of, call_page
from calls.usage.counts import new_rows, rows_in
from calls.usage.export import Selection, TooManyFoundError, export_csv
from calls.usage.filters import UsageFilters
from calls.usage.periods import Period
from calls.usage.report import usage_report
from dashboard.access import AccountRequest, account_page
from dashboard.expiring import expiring_soon
from dashboard.exports.download import disposition, download_of
from dashboard.pages import render_page, to_real_page
from dashboard.usage import agents
from dashboard.usage.address import form_of, form_without_page
from dashboard.usage.agents import agents_page
from dashboard.usage.as_of import AsOf, read_as_of
from dashboard.usage.chart import chart_data
from dashboard.usage.compared import compared
from dashboard.usage.outlook import outlook_of
from dashboard.usage.row import row_page

TOO_MANY = "Too many calls begin like this. Type more of the call ID, or choose fewer days."


@account_page()
def usage(request: AccountRequest) -> HttpResponse:
    """Show Call Usage & Credits; to htmx only the part of it that the filters change."""
    now = request.frame.now
    as_of = read_as_of(request.GET.get("as_of", ""), balance=request.balance, now=now)
    if as_of:
        form = form_without_page(request, now=as_of.at)
    else:
        form = form_of(request, now=now, cycle=request.frame.cycle)
    period = form.chosen_period
    is_by_agent = request.GET.get("view") == agents.VIEW
    report = usage_report(
        account=request.account,
        period=period,
        filters=_with_state(form.usage_filters, as_of),
        balance=request.balance,
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
    today = now.astimezone(period.zone).date()
    shown_as_of = str(AsOf(report.last_seq, as_of.at if as_of else now))
    chart = chart_data(granularity=period.granularity, bars=report.bars, today=today)
    context = {
        "usage": report,
        "download": download_of(
            Selection(request.account, period, form.usage_filters, report.last_seq),
            rows=report.rows.paginator.count,
            public_import_id=str(form.shown_import.public_id) if form.shown_import else "",
            call_id=form.usage_filters.call_id,
            as_of=shown_as_of,
        ),
        "period": period,
        "filters": form,
        "chart": chart,
        "chart_json": json.dumps(chart),
        "expiring": expiring_soon(left=request.frame.grants_left, now=now),
        "compared": compared(report, is_over=period.last_day < today),
        "by_agent": by_agent,
        "as_of": shown_as_of,
    }
    if not form.usage_filters and request.account.closed_at is None:
        context["outlook"] = outlook_of(
            period=period, counted=report.counted, grants=request.frame.grants_left, now=now
        )
    return render_page(
        request, "dashboard/usage/usage.html", context, part="dashboard/usage/content.html"
    )


@account_page(framed=False)
def export(request: AccountRequest) -> HttpResponseBase:
    """Send the log under the page's period and filters as a CSV file.

    Where that has many rows, lead to where it is made first: reading it here would keep others
    waiting.
    """
    asked = request.GET.get("as_of", "")
    as_of = read_as_of(asked, balance=request.balance, now=clock.now()) if asked else None
    form = form_without_page(request, now=as_of.at if as_of else None)
    account, period = request.account, form.chosen_period
    filters = _with_state(form.usage_filters, as_of)
    if request.GET.get("view") == agents.VIEW:
        return _export_of_agents(request, period, filters)
    download = download_of(
        Selection(account, period, filters, as_of.seq if as_of else request.balance.last_seq),
        rows=rows_in(account=account, period=period, filters=filters),
        public_import_id=str(form.shown_import.public_id) if form.shown_import else "",
        call_id=filters.call_id,
    )
    if download.is_made_first:
        return redirect(download.url)
    try:
        lines = export_csv(account=account, period=period, filters=filters)
    except TooManyFoundError:
        return HttpResponse(TOO_MANY, status=400, content_type="text/plain; charset=utf-8")
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": disposition(
                account=account, first_day=period.first_day, last_day=period.last_day
            )
        },
    )


def _export_of_agents(
    request: AccountRequest, period: Period, filters: UsageFilters
) -> HttpResponse:
    report = usage_report(
        account=request.account,
        period=period,
        filters=filters,
        balance=request.balance,
        agents_wanted=True,
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
    form = form_without_page(request)
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
    """Show one call and the arithmetic of its charge, by any of its IDs."""
    page = call_page(account=request.account, call_id=call_id)
    if page is None:
        linked_to = call_id_of(account=request.account, call_id=call_id)
        if linked_to is None:
            raise Http404("No such call.")
        return redirect("dashboard:call", request.account.slug, linked_to)
    context = {"page": page, "numbers_kept_days": settings.NUMBERS_KEPT_DAYS}
    return render(request, "dashboard/usage/call.html", context)


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


def _with_state(filters: UsageFilters, as_of: AsOf | None) -> UsageFilters:
    return filters if as_of is None else replace(filters, until_seq=as_of.seq)
