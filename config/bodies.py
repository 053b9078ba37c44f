"""What a request may bring along, judged before any of it is read.

A page takes a form of some kilobytes; a view that takes more or less has an attribute
``body_bytes_max``, which is None where it judges bodies itself, as those for programs do, and one
that takes small files ``takes_files``. Larger ones need upload handlers of the view's own.
Elsewhere files belong nowhere.
"""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadhandler import (
    FileUploadHandler,
    MemoryFileUploadHandler,
    StopUpload,
)
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string

FORM_BYTES_MAX = 1024 * 1024
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
UTF_8 = ("", "utf-8", "utf8")


class NoFiles(FileUploadHandler):
    """Takes no file: the rest of the request is not read."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Stop at the first bytes of a file."""
        raise StopUpload(connection_reset=True)

    def file_complete(self, file_size: int) -> None:
        """Keep nothing of an empty one."""


class BodyMiddleware:
    """Refuses bodies that are too large (413), and forms that are not UTF-8 (415)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass it on: it is judged by what the view takes."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Refuse what ``view`` does not take, before the form is read for its token."""
        allowed = getattr(view, "body_bytes_max", FORM_BYTES_MAX)
        if allowed is None:
            return None
        charset = (request.content_params or {}).get("charset", "").strip("\"'").lower()
        if request.content_type in FORMS and charset not in UTF_8:
            return _refused(415, "Forms are read as UTF-8 only.")
        if getattr(view, "takes_files", False):
            request.upload_handlers = [MemoryFileUploadHandler(request)]
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > allowed:
            return _refused(413, f"At most {allowed:,} bytes can be sent here.")
        return None


def _refused(status: int, why: str) -> HttpResponse:
    return HttpResponse(render_to_string("refused_body.html", {"why": why}), status=status)
