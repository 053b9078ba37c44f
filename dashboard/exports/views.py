"""The downloads of a person in an account: asked for, all of them, one of them, its file.

What happens is decided in `calls.exports`. Nobody but the person who asked finds an export.
"""

from collections.abc import Iterator, Mapping
from secrets import randbelow, token_bytes
from typing import Any, cast
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from billing import clock
from billing.ledger.balances import balance_read_with
from billing.models import User
from billing.refusals import Refusal
from calls.exports import asking, files, selectors
from calls.models import Export, ExportState
from calls.usage.counts import rows_in
from calls.usage.export import Selection
from dashboard.access import AccountRequest, account_page
from dashboard.exports.download import Download, disposition, download_of
from dashboard.exports.page import KEPT_HOURS, LOST, is_lost, pages_of
from dashboard.pages import render_page, to_real_page, wants_part
from dashboard.usage.address import form_without_page
from dashboard.usage.form import UsageForm

EXPORTS_PER_PAGE = 20
NAME_LENGTH_MAX = 100
ADDRESS_LENGTH_MAX = 2_000
NOT_READ = "What is to be downloaded could not be read. Choose the days and filters again."


@account_page()
def exports(request: AccountRequest) -> HttpResponse:
    """List the person's downloads, newest first; to htmx only the list."""
    found = selectors.exports_of(account=request.account, by=_person(request))
    page = Paginator(found, EXPORTS_PER_PAGE).get_page(request.GET.get("page"))
    elsewhere = to_real_page(request, shown=page.number)
    if elsewhere is not None:
        return elsewhere
    rows = pages_of(page, account=request.account, now=request.frame.now)
    context = {
        "page": page,
        "rows": rows,
        "is_moving": any(row.is_making for row in rows),
        "kept_hours": KEPT_HOURS,
    }
    return render_page(
        request, "dashboard/exports/exports.html", context, part="dashboard/exports/list.html"
    )


# ── Asking for a file ─────────────────────────────────────────────────────────────────────────
def _ask(request: AccountRequest) -> HttpResponseBase:
    """Have a file made, and show how far it is; a short one is sent at once."""
    form = form_without_page(request)
    if form.errors:
        return _new(request, form, problem=NOT_READ, status=422)
    download = _download(request, form)
    if download.rows and not download.is_made_first:
        return redirect(download.url)
    try:
        export = asking.ask(
            account=request.account,
            by=_person(request),
            period=form.chosen_period,
            filters=form.usage_filters,
            last_seq=_last_seq(request),
            now=clock.now(),
        )
    except Refusal as refusal:
        return _new(request, form, problem=refusal.message, status=409)
    return redirect("dashboard:export_page", request.account.slug, export.public_id)


@account_page(acts_when_closed=True, action=_ask)
def export_new(request: AccountRequest) -> HttpResponse:
    """Say what a long file would have, and offer to have it made."""
    return _new(request, form_without_page(request))


def _new(
    request: AccountRequest, form: UsageForm, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "download": _download(request, form),
        "period": form.chosen_period,
        "filters": form,
        "problem": problem or (NOT_READ if form.errors else ""),
        "kept_hours": KEPT_HOURS,
    }
    page = "dashboard/exports/new.html"
    return render_page(request, page, context, part=page, status=status)


def _download(request: AccountRequest, form: UsageForm) -> Download:
    filters, period = form.usage_filters, form.chosen_period
    last_seq = _last_seq(request) or balance_read_with(request.account).last_seq
    return download_of(
        Selection(request.account, period, filters, last_seq),
        rows=rows_in(account=request.account, period=period, filters=filters),
        public_import_id=str(form.shown_import.public_id) if form.shown_import else "",
        call_id=filters.call_id,
    )


def _last_seq(request: AccountRequest) -> int | None:
    """The state that the page showed on which the file was asked for."""
    text = request.GET.get("seq", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# ── One export ────────────────────────────────────────────────────────────────────────────────
def _act(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Do what the pressed button says, and show the export as it is then."""
    export = _find(request, public_id)
    now = clock.now()
    here = redirect("dashboard:export_page", request.account.slug, public_id)
    match request.POST.get("do", ""):
        case "cancel":
            asking.cancel(export=export, now=now)
        case "again":
            try:
                if export.state == ExportState.READY and not files.is_whole(export):
                    asking.make_anew(export=export, now=now)
                else:
                    asking.make_again(export=export, now=now)
            except Refusal as refusal:
                return _page(request, export, problem=refusal.message, status=409)
        case "delete":
            asking.delete(export=export)
            return redirect("dashboard:exports", request.account.slug)
        case "seen":
            asking.note_seen(export=export, now=now)
            came_from = request.POST.get("next", "")
            # A path of this account, so nowhere else.
            home = reverse("dashboard:home", args=[request.account.slug])
            if came_from.startswith(home) and len(came_from) <= ADDRESS_LENGTH_MAX:
                return redirect(came_from)
    return here


@account_page(acts_when_closed=True, action=_act)
def export_page(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show one export: how far it is, or the file.

    To a page that looks again, only how far it is; all of it, once it stands otherwise.
    """
    return _page(request, _find(request, public_id))


def _page(
    request: AccountRequest, export: Export, *, problem: str = "", status: int = 200
) -> HttpResponse:
    (page,) = pages_of([export], account=request.account, now=request.frame.now)
    lost = is_lost(page)
    is_same = request.GET.get("shown") == page.state.value
    part = "dashboard/exports/progress.html" if is_same else "dashboard/exports/news.html"
    context = {
        "page": page,
        "is_lost": lost,
        "problem": problem or (LOST if lost else ""),
        "kept_hours": KEPT_HOURS,
    }
    response = render_page(
        request, "dashboard/exports/export.html", context, part=part, status=status
    )
    if wants_part(request) and not is_same:
        response["HX-Retarget"], response["HX-Reswap"] = "#export", "innerHTML"
    return response


# ── Its file ──────────────────────────────────────────────────────────────────────────────────
@account_page(framed=False)
def export_file(request: AccountRequest, public_id: UUID) -> HttpResponseBase:
    """Send the file as a plain CSV; compressed on its way, for whoever can read that.

    Where it is not there (yet, or any more) the page of the export says why.
    """
    export = _find(request, public_id)
    if export.state != ExportState.READY or not files.is_whole(export):
        return redirect("dashboard:export_page", request.account.slug, public_id)
    chunks, headers = _compressed(export) if _takes_gzip(request) else _plain(export)
    response = StreamingHttpResponse(
        chunks,
        content_type="text/csv; charset=utf-8",
        headers={
            **headers,
            "Content-Disposition": disposition(
                account=request.account, first_day=export.first_day, last_day=export.last_day
            ),
        },
    )
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def _plain(export: Export) -> tuple[Iterator[bytes], Mapping[str, Any]]:
    return files.as_text(export), {"Content-Length": export.size}


def _compressed(export: Export) -> tuple[Iterator[bytes], Mapping[str, Any]]:
    name = token_bytes(NAME_LENGTH_MAX).hex()[: randbelow(NAME_LENGTH_MAX)].encode()
    headers = {
        "Content-Length": files.gzip_size(export, name=name),
        "Content-Encoding": "gzip",
    }
    return files.as_gzip(export, name=name), headers


def _takes_gzip(request: AccountRequest) -> bool:
    """Whether the client says that it reads gzip: "gzip, br" does, "gzip;q=0" does not."""
    for each in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() in ("gzip", "x-gzip"):
            return weight.replace(" ", "").rstrip("0.") != "q="
    return False


def _find(request: AccountRequest, public_id: UUID) -> Export:
    """Return an export of the person in the account. Raises Http404 where there is none."""
    found = selectors.export_of(account=request.account, by=_person(request), public_id=public_id)
    if found is None:
        raise Http404("No such export.")
    return found


def _person(request: AccountRequest) -> User:
    return cast(User, request.user)
