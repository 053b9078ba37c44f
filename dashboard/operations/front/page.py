"""The operators' front page in place of the admin's list of models, and the page of first steps."""

from typing import Any, cast

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from billing import clock
from billing.models import User
from billing.snapshot import snapshot
from dashboard.operations.first_steps import (
    are_shown,
    first_steps,
    is_under_way,
    put_away,
    try_mail,
)
from dashboard.operations.front.month import month_so_far
from dashboard.operations.front.waiting import waiting

TITLE = "Overview"
CHOOSE = "Choose what to do: this form was not complete."
PUT_AWAY = (
    "The first steps are put away, for all operators. They stay on a page of their own, to which "
    "“Send yourself a test mail” leads."
)


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Give the admin's index what the front page shows, read in one snapshot."""
    now = clock.now()
    with snapshot():
        steps = first_steps(operator=_operator(request), now=now) if are_shown() else []
        return {
            **context,
            "title": TITLE,
            "steps": steps,
            "month": month_so_far(now=now),
            "groups": waiting(now=now),
        }


@require_http_methods(["GET", "HEAD", "POST"])
def first_steps_page(request: HttpRequest) -> HttpResponse:
    """Show the first steps, also once they are done; or send the test mail, or put them away."""
    if request.method == "POST":
        return _do(request)
    with snapshot():
        steps = first_steps(operator=_operator(request), now=clock.now())
        context = {
            **admin.site.each_context(request),
            "title": "First steps",
            "steps": steps,
            "is_under_way": is_under_way(),
        }
    return TemplateResponse(request, "admin/first_steps.html", context)


def _do(request: HttpRequest) -> HttpResponse:
    """Do what the form that was sent is for, and lead back to the page that it was on."""
    asked = request.POST.get("form")
    if asked == "mail":
        tried = try_mail(operator=_operator(request))
        level = messages.SUCCESS if tried.is_taken else messages.WARNING
        messages.add_message(request, level, tried.said)
    elif asked == "put-away":
        put_away()
        messages.success(request, PUT_AWAY)
    else:
        messages.error(request, CHOOSE)
    return redirect("admin:index" if "front" in request.POST else "operators_first_steps")


def _operator(request: HttpRequest) -> User:
    return cast(User, request.user)
