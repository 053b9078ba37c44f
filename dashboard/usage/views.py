"""The pages of Call Usage & Credits: the numbers and the log, one call, one row, the file."""

import json

from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from billing.ledger.balances import grants_left
from calls.usage.call import call_id_of, call_page
from calls.usage.counts import new_rows, rows_in
from calls.usage.export import Selection, TooManyFoundError, export_csv
from calls.usage.report import usage_report
from dashboard.access import AccountRequest, account_page
from dashboard.expiring import expiring_soon
from dashboard.exports.download import disposition, download_of
from dashboard.pages import render_page, to_real_page
from dashboard.usage.address import form_of, form_without_page
from dashboard.usage.chart import chart_data
from dashboard.usage.outlook import outlook_of
from dashboard.usage.row import row_page


@account_page()
def usage(request: AccountRequest) -> HttpResponse:
    """Show Call Usage & Credits; to htmx only the part of it that the filters change."""
    now = request.frame.now
    form = form_of(request, now=now, cycle=request.frame.cycle)
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
        "download": download_of(
            Selection(request.account, period, form.usage_filters, report.last_seq),
            rows=report.rows.paginator.count,
            public_import_id=str(form.shown_import.public_id) if form.shown_import else "",
            call_id=form.usage_filters.call_id,
        ),
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
def export(request: AccountRequest) -> HttpResponseBase:
    """Send the log under the page's period and filters as a CSV file.

    Where that has many rows, lead to where it is made first: reading it here would keep others
    waiting.
    """
    form = form_without_page(request)
    account, period, filters = request.account, form.chosen_period, form.usage_filters
    download = download_of(
        Selection(account, period, filters, request.balance.last_seq),
        rows=rows_in(account=account, period=period, filters=filters),
        public_import_id=str(form.shown_import.public_id) if form.shown_import else "",
        call_id=filters.call_id,
    )
    if download.is_made_first:
        return redirect(download.url)
    try:
        lines = export_csv(account=account, period=period, filters=filters)
    except TooManyFoundError:
        words = "Too many calls begin like this. Type more of the call ID, or choose fewer days."
        return HttpResponse(words, status=400, content_type="text/plain; charset=utf-8")
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": disposition(
                account=account, first_day=period.first_day, last_day=period.last_day
            )
        },
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
