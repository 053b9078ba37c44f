"""The schema as a file, and what is said of addresses that do not exist. Both need no key."""

from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api.problems import OTHER_METHOD, Problem, answer_outside_views

READING = ("GET", "HEAD")


@csrf_exempt
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer with the schema."""
    if request.method not in READING:
        problem = Problem("method-not-allowed", OTHER_METHOD, headers={"Allow": ", ".join(READING)})
        return answer_outside_views(problem)
    return HttpResponse(_text(), content_type="application/yaml")


@csrf_exempt
def no_such_address(request: HttpRequest) -> HttpResponse:
    """Answer 404 as the API does, and not with a page."""
    return answer_outside_views(
        Problem("not-found", "There is no such address. All addresses of the API end with a slash.")
    )


@cache
def _text() -> str:
    text: str = settings.API_SCHEMA.read_text()
    return text
