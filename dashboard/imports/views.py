"""The imports of an account: all of them, one of them, what can be done with it.

What happens is decided in `calls.imports`; here is how it is asked for and told.
"""

from collections.abc import Callable, Mapping
from typing import cast
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header

from billing import clock
from billing.models import User
from billing.refusals import Refusal
from calls.imports import adjusting, selectors, steps, uploads
from calls.imports.readings import reading_of
from calls.models import FileImport
from calls.notations.layout import JSON
from dashboard.access import AccountRequest, account_page
from dashboard.imports.formats import known_formats
from dashboard.imports.layout_form import LayoutForm, layout_form_of
from dashboard.imports.page import ImportPage, import_context
from dashboard.imports.standing import list_row
from dashboard.imports.uploading import find
from dashboard.pages import render_page, to_real_page, wants_part
from dashboard.refusals import add_refusal

IMPORTS_PER_PAGE = 20
ANSWER = "answer-"  # before the topic of a question

Step = Callable[..., FileImport]

STEPS: Mapping[str, Step] = {
    "try": steps.start_trial,
    "import": steps.start,
    "stop": steps.stop,
    "go_on": steps.go_on,
    "again": steps.import_again,
}


@account_page(manages=True)
def imports(request: AccountRequest) -> HttpResponse:
    """List the account's imports, newest first; to htmx only the list."""
    found = selectors.imports_of(request.account)
    page = Paginator(found, IMPORTS_PER_PAGE).get_page(request.GET.get("page"))
    elsewhere = to_real_page(request, shown=page.number)
    if elsewhere is not None:
        return elsewhere
    rows = [list_row(each, account=request.account, now=request.frame.now) for each in page]
    context = {
        "page": page,
        "rows": rows,
        "is_moving": any(row.is_moving for row in rows),
        "known_formats": known_formats(),
    }
    return render_page(
        request, "dashboard/imports/imports.html", context, part="dashboard/imports/list.html"
    )


# ── One import ────────────────────────────────────────────────────────────────────────────────
def _act(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Do what the pressed button says, and show the import as it is then."""
    file_import = find(request, public_id)
    now, by = clock.now(), cast(User, request.user)
    do = request.POST.get("do", "")
    try:
        if do == "layout":
            return _change(request, file_import)
        if do == "delete":
            uploads.delete_file(file_import=file_import, now=now)
        elif do == "answer":
            answers = {
                name.removeprefix(ANSWER): str(value)
                for name, value in request.POST.items()
                if name.startswith(ANSWER)
            }
            adjusting.answer(file_import=file_import, answers=answers, now=now)
        elif do in STEPS:
            file_import = STEPS[do](file_import=file_import, by=by, now=now)
        else:
            return _page(request, file_import)
    except Refusal as refusal:
        return _page(request, find(request, public_id), problem=refusal.message, status=409)
    return redirect("dashboard:import_page", request.account.slug, file_import.public_id)


def _change(request: AccountRequest, file_import: FileImport) -> HttpResponse:
    """Read the file as the form says; what can't be is said beside its fields. Raises Refusal."""
    form = layout_form_of(file_import, account=request.account, data=request.POST)
    if form is None:
        return _page(request, file_import)
    is_valid, now = form.is_valid(), clock.now()
    if not is_valid and not form.sheet:
        return _page(request, file_import, form=form, status=422)
    try:
        if form.sheet:
            adjusting.choose_sheet(file_import=file_import, sheet=form.sheet, now=now)
        else:
            adjusting.change(file_import=file_import, reading=form.reading, now=now)
    except Refusal as refusal:
        add_refusal(form, refusal)
        return _page(request, file_import, form=form, status=409)
    return redirect("dashboard:import_page", request.account.slug, file_import.public_id)


@account_page(manages=True, action=_act)
def import_page(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show one import: what it is, what it would do, how far it is, what it did.

    To a page that looks again, only how far it is; all of it, once it stands otherwise.
    """
    return _page(request, find(request, public_id))


def _page(
    request: AccountRequest,
    file_import: FileImport,
    *,
    form: LayoutForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = import_context(request, file_import, form=form)
    page = context["page"]
    is_same = request.GET.get("shown") == page.shown
    part = "dashboard/imports/progress.html" if is_same else "dashboard/imports/news.html"
    response = render_page(
        request,
        "dashboard/imports/import.html",
        context | {"problem": problem},
        part=part,
        status=status,
    )
    if wants_part(request) and not is_same:
        response["HX-Retarget"], response["HX-Reswap"] = "#import", "innerHTML"
    response["Cache-Control"] = "no-store"
    return response


@account_page(manages=True, framed=False)
def import_rejects(request: AccountRequest, public_id: UUID) -> StreamingHttpResponse:
    """Send the lines that were left out, each with why, to be mended and imported again."""
    file_import = find(request, public_id)
    reading = reading_of(file_import)
    is_json = reading is not None and reading.layout.notation == JSON
    kind, extension = ("application/x-ndjson", "jsonl") if is_json else ("text/csv", "csv")
    stem = file_import.file_name.partition(".")[0] or "file"
    return StreamingHttpResponse(
        selectors.rejects_of(file_import),
        content_type=f"{kind}; charset=utf-8",
        headers={
            "Content-Disposition": content_disposition_header(
                True, f"left-out-of-{stem}.{extension}"
            )
            or "attachment"
        },
    )


# ── Taking it back ────────────────────────────────────────────────────────────────────────────
def _take_back(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Take back all that the import recorded."""
    file_import = find(request, public_id)
    try:
        steps.withdraw(file_import=file_import, by=cast(User, request.user), now=clock.now())
    except Refusal as refusal:
        return _page(request, find(request, public_id), problem=refusal.message, status=409)
    return redirect("dashboard:import_page", request.account.slug, public_id)


@account_page(manages=True, action=_take_back)
def import_take_back(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Say what taking it back would do, and ask."""
    file_import = find(request, public_id)
    page = ImportPage(request, file_import)
    if not page.may_take_back:
        return redirect("dashboard:import_page", request.account.slug, public_id)
    context = {"page": page, "file_import": file_import}
    return render(request, "dashboard/imports/take_back.html", context)
