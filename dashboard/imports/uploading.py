"""Files on their way in: in parts from the browser's script, or as a whole from the plain form.

What a file may be is decided in `calls.imports.uploads`. A body that is too large is refused by the
length that it declares, before any of it is read.
"""

import hashlib
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from billing import clock
from billing.models import User
from billing.refusals import Refusal
from calls.imports import selectors, steps, uploads
from calls.models import FileImport, ImportState
from dashboard.access import AccountRequest, account_action, account_page
from dashboard.imports.formats import known_formats
from dashboard.imports.stages import stages_at

# What the plain form takes is held in memory while it is read.
FORM_BYTES_MAX = 8 * 1024 * 1024
# Of the form besides its file: boundaries, the token, a name.
FORM_REST_BYTES_MAX = 16 * 1024
SIZE_DIGITS_MAX = 18

NO_FILE = "Choose a file first."
ENDED = "This upload has ended. Choose the file again to import it once more."


class _InMemory(MemoryFileUploadHandler):
    """Keeps the file in memory, whatever its size: the body's length was looked at before.

    Django's own would put a larger one into the temporary directory, which no worker shares.
    """

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.activated = True


# ── As a whole ────────────────────────────────────────────────────────────────────────────────
def _take_form(request: AccountRequest) -> HttpResponse:
    """Read the form that was sent, unless it is too large, and go to the import's page."""
    if _length_of(request) > FORM_BYTES_MAX + FORM_REST_BYTES_MAX:
        megabytes = FORM_BYTES_MAX // 1024**2
        problem = (
            f"Without JavaScript a file may have at most {megabytes} MB. Switch JavaScript on for "
            "this site, or pack the file as .gz or .zip first."
        )
        return _choose(request, problem=problem, status=413)
    # The check of the token is the first to read the form: from here on it is read into memory.
    request.upload_handlers = [_InMemory(request)]
    response: HttpResponse = csrf_protect(_take_whole)(request)
    return response


def _take_whole(request: AccountRequest) -> HttpResponse:
    file = request.FILES.get("file")
    if file is None:
        return _choose(request, file_problem=NO_FILE, status=422)
    try:
        file_import = uploads.take_whole(
            account=request.account,
            by=cast(User, request.user),
            file_name=str(file.name),
            chunks=file.chunks(),
            now=clock.now(),
        )
    except Refusal as refusal:
        return _choose(request, file_problem=refusal.message, status=422)
    return redirect("dashboard:import_page", request.account.slug, file_import.public_id)


@csrf_exempt  # the action checks the token itself, when it knows how to read the form
@account_page(manages=True, begins=True, action=_take_form)
def import_new(request: AccountRequest) -> HttpResponse:
    """Offer to upload a file, and say what can be imported and what happens to it."""
    return _choose(request)


# A little more than a form may have, so that the page itself says how much that is.
import_new.body_bytes_max = FORM_BYTES_MAX + 1024 * 1024  # type: ignore[attr-defined]


def _choose(
    request: AccountRequest, *, problem: str = "", file_problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        **stages_at("choose"),
        **upload_limits(),
        "problem": problem,
        "file_problem": file_problem,
        "imports_left": selectors.open_imports_left(request.account),
    }
    return render(request, "dashboard/imports/choose.html", context, status=status)


def upload_limits() -> dict[str, Any]:
    """What a form for an upload says: what may be sent, how much of it, how long it is kept."""
    return {
        "part_bytes": uploads.PART_BYTES,
        "bytes_max": settings.IMPORT_BYTES_MAX,
        "form_bytes_max": FORM_BYTES_MAX,
        "keep_days": uploads.file_kept_for().days,
        "withdraw_days": steps.WITHDRAWABLE_FOR.days,
        "known_formats": known_formats(),
    }


# ── In parts ──────────────────────────────────────────────────────────────────────────────────
@account_action("POST", manages=True)
def import_begin(request: AccountRequest) -> JsonResponse:
    """Open an import for a file that is to come in parts; tell where they go."""
    try:
        file_import = uploads.begin(
            account=request.account,
            by=cast(User, request.user),
            file_name=request.POST.get("name", ""),
            size=_whole(request.POST.get("size", "")),
            now=clock.now(),
        )
    except Refusal as refusal:
        return _problem(refusal.message)
    return JsonResponse(_addresses(request, file_import), status=201)


@account_page(manages=True, framed=False)
def import_parts(request: AccountRequest, public_id: UUID) -> JsonResponse:
    """Tell which parts of an upload have arrived, so that it goes on where it stopped."""
    file_import = find(request, public_id)
    if file_import.state != ImportState.UPLOADING:
        return _problem(ENDED, status=409)
    return JsonResponse(_addresses(request, file_import), headers={"Cache-Control": "no-store"})


@account_action("PUT", manages=True)
def import_part(request: AccountRequest, public_id: UUID, number: int) -> HttpResponse:
    """Keep one part of a file."""
    if _length_of(request) > uploads.PART_BYTES:
        return _problem("This part is too large.", status=413)
    file_import = find(request, public_id)
    content = request.body
    # Over plain HTTP a browser has nothing to hash with; the length is checked all the same.
    sha256 = request.headers.get("X-Part-SHA256") or hashlib.sha256(content).hexdigest()
    try:
        uploads.add_part(
            file_import=file_import,
            number=number,
            content=content,
            sha256=sha256,
            now=clock.now(),
        )
    except Refusal as refusal:
        return _problem(refusal.message)
    return HttpResponse(status=204)


@account_action("POST", manages=True)
def import_finish(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """End an upload: all parts were sent."""
    file_import = find(request, public_id)
    sha256 = request.POST.get("sha256") or uploads.hash_of_parts(
        hashes_of_parts(file_import).values()
    )
    try:
        uploads.finish(
            file_import=file_import,
            parts=_whole(request.POST.get("parts", "")),
            size=_whole(request.POST.get("size", "")),
            sha256=sha256,
            now=clock.now(),
        )
    except Refusal as refusal:
        return _problem(refusal.message)
    return HttpResponse(status=204)


@account_action("POST", manages=True)
def import_stop_upload(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Forget an upload that somebody stopped."""
    try:
        uploads.delete_file(file_import=find(request, public_id), now=clock.now())
    except Refusal as refusal:
        return _problem(refusal.message)
    return HttpResponse(status=204)


def find(request: AccountRequest, public_id: UUID) -> FileImport:
    """Return an import of the account. Raises Http404 where it has no such import."""
    found = (
        FileImport.objects.select_related("started_by", "withdrawn_by")
        .filter(account=request.account, public_id=public_id)
        .first()
    )
    if found is None:
        raise Http404("No such import.")
    found.account = request.account
    return found


def hashes_of_parts(file_import: FileImport) -> dict[int, str]:
    """The hash of each part of the file that has arrived, by its number."""
    arrived = file_import.parts.filter(is_unpacked=False).order_by("number")
    return dict(arrived.values_list("number", "sha256"))


def _addresses(request: AccountRequest, file_import: FileImport) -> dict[str, Any]:
    def address(name: str) -> str:
        return reverse(f"dashboard:{name}", args=[request.account.slug, file_import.public_id])

    return {
        "name": file_import.file_name,
        "size": file_import.size,
        "parts": address("import_parts"),
        "finish": address("import_finish"),
        "stop": address("import_stop_upload"),
        "page": address("import_page"),
        "have": hashes_of_parts(file_import),
    }


def _problem(words: str, *, status: int = 422) -> JsonResponse:
    return JsonResponse({"problem": words}, status=status)


def _length_of(request: AccountRequest) -> int:
    """The length that the body declares; without one the server reads none."""
    return _whole(request.META.get("CONTENT_LENGTH") or "0")


def _whole(text: str) -> int:
    """Read a whole number; -1 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= SIZE_DIGITS_MAX else -1
