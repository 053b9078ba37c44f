"""How long somebody stays signed in, and what they are told when that is over.

A session ends after a time without requests, and two weeks after signing in at the latest. What a
page asks for by itself then leads the whole page to sign-in, where what was typed is kept
(`static/js/keep.js`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlsplit

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django_htmx.http import HttpResponseClientRedirect

from billing import clock
from billing.activity import ActivityKind, gone, note_about_person
from billing.models import User
from billing.texts import storable
from dashboard.sign_in.second_step import WITHOUT_STEP

SEEN_AT = "seen_at"  # keys in the session
SIGNED_IN_AT = "signed_in_at"
NOTED_EVERY = timedelta(minutes=5)
SIGNED_IN_MAX = timedelta(days=14)
ENDED = "Your session has ended. Sign in to go on."
SIGN_IN_HEADER = "X-Sign-In"  # read by `static/js/signed-out.js`


class IdleMiddleware:
    """Signs out whoever has asked for nothing for too long."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Look only where there is a session: others cost nothing."""
        agent = request.META.get("HTTP_USER_AGENT", "")
        request.META["HTTP_USER_AGENT"] = storable(agent)  # it is kept with the session
        has_cookie = settings.SESSION_COOKIE_NAME in request.COOKIES
        if has_cookie and request.user.is_authenticated:
            _look(request, clock.now())
        response = self.get_response(request)
        if _leads_to_sign_in(request, response):
            if has_cookie and request.session.is_empty():
                messages.info(request, ENDED)
            return _for_whole_page(request, response)
        return response


def idle_max(user: User) -> timedelta:
    """After how long without a request ``user`` is signed out."""
    minutes = settings.OPERATOR_IDLE_MINUTES_MAX if user.is_staff else settings.IDLE_MINUTES_MAX
    return timedelta(minutes=minutes)


def begin(request: HttpRequest, now: datetime) -> None:
    """Note when a session began."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = now.timestamp()


def end_sessions(user: User, *, but: str | None = None) -> None:
    """End all sessions of ``user`` except the one with the key ``but``."""
    for session in UserSession.objects.filter(user=user).exclude(session_key=but or ""):
        session.end()


def note_ended(person: User, sessions: Iterable[UserSession]) -> int:
    """Note where ``person`` was signed in and is no longer; return in how many browsers."""
    ended = [f"{session.ip}, {session.user_agent}" for session in sessions]
    if ended:
        changes = gone(signed_in_from=ended)
        note_about_person(ActivityKind.SESSIONS_ENDED, person=person, changes=changes)
    return len(ended)


def htmx_page(request: HttpRequest) -> str | None:
    """Return the path and query of the page of ours on which htmx asks for a part of it.

    None where htmx does not ask, or the header that says so can't be read.
    """
    htmx = getattr(request, "htmx", None)
    try:
        return cast(str | None, htmx.current_url_abs_path) if htmx else None
    except ValueError:
        return None


def _look(request: HttpRequest, now: datetime) -> None:
    at = now.timestamp()
    most = idle_max(cast(User, request.user))
    seen_at = request.session.get(SEEN_AT, at)
    is_idle = at - seen_at > most.total_seconds()
    is_old = at - request.session.get(SIGNED_IN_AT, at) > SIGNED_IN_MAX.total_seconds()
    if is_idle or is_old:
        logout(request)
        return
    often = min(NOTED_EVERY, most / 4)
    if SEEN_AT not in request.session or at - seen_at > often.total_seconds():
        request.session.setdefault(SIGNED_IN_AT, at)
        request.session[SEEN_AT] = at
        UserSession.objects.create_from_request(request)


def _leads_to_sign_in(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether somebody has to sign in; the admin's own address leads on to that page."""
    to = response.headers.get("HX-Redirect") or response.headers.get("Location", "")
    if not to:
        return False
    path = _path_of(to)
    is_admins = path == WITHOUT_STEP and not request.user.is_authenticated
    return path == str(settings.LOGIN_URL) or is_admins


def _path_of(url: str) -> str | None:
    """Return the path of ``url``, None where nobody can read it: `http://[`."""
    try:
        return urlsplit(url).path
    except ValueError:
        return None


def _for_whole_page(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Have what a script asked for lead its page to sign-in: a part of a page can't show that."""
    here = htmx_page(request)
    if here and "Location" in response.headers:
        return HttpResponseClientRedirect(redirect_to_login(here).url)
    if request.headers.get("Sec-Fetch-Dest") == "empty" and "Location" in response.headers:
        referrer = _path_of(request.headers.get("Referer", ""))
        page = redirect_to_login(referrer or "/").url
        return HttpResponse(status=401, headers={SIGN_IN_HEADER: page})
    return response
