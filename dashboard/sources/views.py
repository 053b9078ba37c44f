"""The sources of an account: all of them, one of them, connecting another.

What happens is decided in `calls.inbox`; here is how it is asked for and told.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from billing import clock
from billing.models import User
from billing.queue import enqueue
from billing.refusals import Refusal
from calls.inbox import sources, testing
from calls.inbox.again import retry
from calls.models import CallSource
from calls.sources.registry import platforms
from calls.tasks import pull_source, queue_drain
from dashboard.access import AccountRequest, account_page
from dashboard.pages import render_page, wants_part
from dashboard.refusals import add_refusal
from dashboard.sources.forms import ConnectForm, KeyForm, NameForm, SecretForm, SettingsForm
from dashboard.sources.page import SourcePage, standings_of
from dashboard.sources.reach import address_of, is_private

# What a form of the page is called in its templates, and by the button that sends it.
FORMS: Mapping[str, str] = {
    "rename": "name_form",
    "secret": "secret_form",
    "key": "key_form",
    "settings": "settings_form",
}


@account_page(manages=True)
def call_sources(request: AccountRequest) -> HttpResponse:
    """List the account's sources in their order, and what can be connected."""
    standings = standings_of(request.account, now=request.frame.now)
    context = {"standings": standings, "platforms": list(platforms().values())}
    return render(request, "dashboard/sources/sources.html", context)


# ── Connecting ────────────────────────────────────────────────────────────────────────────────
def _connect(request: AccountRequest, kind: str) -> HttpResponse:
    platform = platforms().get(kind)
    if platform is None:
        raise Http404("No such platform.")
    form = ConnectForm(request.POST, platform=platform)
    if form.is_valid():
        told = form.cleaned_data
        try:
            source = sources.connect(
                account=request.account,
                kind=kind,
                name=told["name"],
                by=cast(User, request.user),
                now=clock.now(),
                secret=told.get("secret", ""),
                api_key=told.get("api_key", ""),
                options=form.options,
            )
        except Refusal as refusal:
            add_refusal(form, refusal)
        else:
            if source.next_pull_at is not None:
                enqueue(pull_source, source.pk)
            return redirect("dashboard:source", request.account.slug, source.public_id)
    return _connect_page(request, kind, form, status=422)


@account_page(manages=True, begins=True, action=_connect)
def source_new(request: AccountRequest, kind: str) -> HttpResponse:
    """Ask what it takes to connect a source of ``kind``."""
    platform = platforms().get(kind)
    if platform is None:
        raise Http404("No such platform.")
    return _connect_page(request, kind, ConnectForm(platform=platform))


def _connect_page(
    request: AccountRequest, kind: str, form: ConnectForm, *, status: int = 200
) -> HttpResponse:
    context = {"form": form, "platform": platforms()[kind]}
    return render(request, "dashboard/sources/connect.html", context, status=status)


# ── One source ────────────────────────────────────────────────────────────────────────────────
def find(request: AccountRequest, public_id: UUID) -> CallSource:
    """Return the account's source. Raises Http404 where there is none, or it was deleted."""
    source = (
        CallSource.objects.filter(account=request.account, public_id=public_id, deleted_at=None)
        .select_related("account", "created_by")
        .first()
    )
    if source is None:
        raise Http404("No such source.")
    return source


Act = Callable[[CallSource, Mapping[str, Any]], object]


def _test(source: CallSource, _: Mapping[str, Any]) -> None:
    testing.send_test(source=source, url=address_of(source), now=clock.now())
    queue_drain()


def _retry(source: CallSource, told: Mapping[str, Any]) -> None:
    event = str(told.get("event", ""))
    is_one = event.isascii() and event.isdigit() and len(event) < 19
    retry(source=source, event_id=int(event) if is_one else None)
    queue_drain()


def _resume(source: CallSource, _: Mapping[str, Any]) -> None:
    sources.resume(source=source, now=clock.now())
    queue_drain()


def _ask(source: CallSource, _: Mapping[str, Any]) -> None:
    if source.paused_at is not None:
        raise Refusal("This source is paused: let it go on first.")
    enqueue(pull_source, source.pk)


ACTS: Mapping[str, Act] = {
    "test": _test,
    "retry": _retry,
    "resume": _resume,
    "ask": _ask,
    "pause": lambda source, _: sources.pause(source=source, now=clock.now()),
    "rotate": lambda source, _: sources.rotate_secret(source=source, now=clock.now()),
    "end-previous": lambda source, _: sources.end_previous_secret(source=source, now=clock.now()),
    "forget-key": lambda source, _: sources.set_api_key(source=source, api_key="", now=clock.now()),
}


def _act(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Do what the pressed button says, and show the source as it is then."""
    source = find(request, public_id)
    do = request.POST.get("do", "")
    if do in FORMS:
        return _change(request, source, do)
    if do in ACTS:
        try:
            ACTS[do](source, request.POST)
        except Refusal as refusal:
            return _page(request, source, problem=refusal.message, status=409)
    return redirect("dashboard:source", request.account.slug, public_id)


def _change(request: AccountRequest, source: CallSource, do: str) -> HttpResponse:
    """Change what a form of the page says; what can't be is said beside its fields."""
    now = clock.now()
    form = _form(do, source, request.POST)
    if form.is_valid():
        told = form.cleaned_data
        try:
            if do == "rename":
                sources.rename(source=source, name=told["name"], now=now)
            elif do == "secret":
                sources.rotate_secret(source=source, secret=told["secret"], now=now)
            elif do == "key":
                sources.set_api_key(source=source, api_key=told.get("api_key", ""), now=now)
            elif isinstance(form, SettingsForm):
                sources.set_options(source=source, options=form.options, now=now)
        except Refusal as refusal:
            add_refusal(form, refusal)
        else:
            if do in ("secret", "key", "settings") and sources.is_pulled(source):
                enqueue(pull_source, source.pk)
            return redirect("dashboard:source", request.account.slug, source.public_id)
    return _page(request, source, forms={FORMS[do]: form}, status=422)


def _form(do: str, source: CallSource, data: Any = None) -> forms.Form:
    platform = sources.platform_of(source)
    if do == "rename":
        return NameForm(data, initial={"name": source.name})
    if do == "secret":
        return SecretForm(data, platform=platform)
    if do == "key":
        return KeyForm(data, platform=platform)
    return SettingsForm(data, platform=platform, initial=source.options)


@account_page(manages=True, action=_act)
def source(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show one source: how to set it up, how it stands, what came, what failed.

    To a page that looks again, only how it stands; all of it, once that is another.
    """
    return _page(request, find(request, public_id))


def _page(
    request: AccountRequest,
    source: CallSource,
    *,
    forms: Mapping[str, forms.Form] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    page = SourcePage(source, account=request.account, now=request.frame.now)
    context: dict[str, Any] = {
        "page": page,
        "source": source,
        "problem": problem,
        **{name: _form(do, source) for do, name in FORMS.items()},
        **(forms or {}),
    }
    is_same = request.GET.get("shown") == page.shown
    context["is_news"] = wants_part(request)
    part = "dashboard/sources/state.html" if is_same else "dashboard/sources/content.html"
    response = render_page(
        request, "dashboard/sources/source.html", context, part=part, status=status
    )
    if wants_part(request) and not is_same:
        response["HX-Retarget"], response["HX-Reswap"] = "#source", "innerHTML"
    # It shows a secret.
    response["Cache-Control"] = "no-store"
    return response


# ── Deleting ──────────────────────────────────────────────────────────────────────────────────
def _delete(request: AccountRequest, public_id: UUID) -> HttpResponse:
    found = find(request, public_id)
    with suppress(Refusal):  # deleted meanwhile, which is what was asked for
        sources.delete(source=found, now=clock.now())
    return redirect("dashboard:sources", request.account.slug)


@account_page(manages=True, action=_delete)
def source_delete(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Say what deleting it means, and ask."""
    found = find(request, public_id)
    page = SourcePage(found, account=request.account, now=request.frame.now)
    context = {"source": found, "page": page, "is_private": is_private(page.site_url)}
    return render(request, "dashboard/sources/delete.html", context)
