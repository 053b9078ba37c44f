"""Settings → API keys: list, make, replace, revoke. A key is shown in the answer that made it only.

What happens is decided in `billing.accounts.api_keys`; here is how it is asked for and told.
"""

from typing import Any, cast
from uuid import UUID, uuid4

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from billing import clock
from billing.accounts.api_keys import (
    MadeKey,
    create_key,
    may_rotate,
    replaced_keys,
    revoke_key,
    rotate_key,
    scopes_to_give,
)
from billing.models import ApiKey, User
from billing.refusals import Refusal
from dashboard.access import AccountRequest, account_page
from dashboard.api_keys.examples import first_requests
from dashboard.api_keys.form import RECORDING, KeyForm, RotationForm
from dashboard.api_keys.listing import key_row, keys_of
from dashboard.refusals import add_refusal
from dashboard.sign_in.log import note


@account_page(manages=True, operators=False)
def api_keys(request: AccountRequest) -> HttpResponse:
    """List the account's keys; without any, say what they are for."""
    keys = keys_of(request.account, now=request.frame.now)
    return render(request, "dashboard/api_keys/list.html", {"keys": keys})


# ── Make ──────────────────────────────────────────────────────────────────────────────────────
def _create(request: AccountRequest) -> HttpResponse:
    """Make a key and show it."""
    form = _form(request, request.POST)
    if form.is_valid():
        try:
            made = create_key(
                membership=request.membership,
                public_id=form.cleaned_data["form_key"],
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at,
                now=clock.now(),
            )
        except Refusal as refusal:
            add_refusal(form, refusal, inputs={"expires_at": "last_day"})
        else:
            return _show(request, made, "API key made")
    return render(request, "dashboard/api_keys/new.html", {"form": form}, status=422)


@account_page(manages=True, operators=False, begins=True, action=_create)
def api_key_new(request: AccountRequest) -> HttpResponse:
    """Ask for the name of a key and what it may do."""
    offered = scopes_to_give(request.membership)
    initial = {"form_key": uuid4(), "scopes": [scope for scope in RECORDING if scope in offered]}
    return render(
        request, "dashboard/api_keys/new.html", {"form": _form(request, None, initial=initial)}
    )


def _form(request: AccountRequest, data: Any, **options: Any) -> KeyForm:
    return KeyForm(
        data, offered=scopes_to_give(request.membership), zone=request.account.zone, **options
    )


# ── Replace, revoke ───────────────────────────────────────────────────────────────────────────
def _change(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Replace the key by a new one, or revoke it."""
    key = _key(request, public_id)
    now = clock.now()
    sent = request.POST.get("form", "")
    if sent == "revoke":
        before = revoke_key(membership=request.membership, key=key, now=now)
        for each in (key, *before):
            note("API key revoked", request=request, user=request.user, key=each.shown)
        said = f"{key.name} is revoked: it opens nothing any more."
        if before:
            said += f" So is the key before it: {', '.join(each.shown for each in before)}."
        messages.success(request, said)
        return redirect("dashboard:api_keys", request.account.slug)
    form = RotationForm(request.POST)
    if sent != "rotate" or not form.is_valid():
        return _page(request, key, problem="Choose when the old key ends.", status=422)
    try:
        made = rotate_key(
            membership=request.membership,
            key=key,
            public_id=form.cleaned_data["form_key"],
            at_once=form.cleaned_data["old_ends"] == RotationForm.AT_ONCE,
            now=now,
        )
    except Refusal as refusal:
        return _page(request, key, problem=refusal.message, status=409)
    return _show(request, made, "API key replaced", replaced=_key(request, public_id))


@account_page(manages=True, operators=False, action=_change)
def api_key(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Show one key, and how to replace or revoke it."""
    return _page(request, _key(request, public_id))


def _page(
    request: AccountRequest, key: ApiKey, *, problem: str = "", status: int = 200
) -> HttpResponse:
    now = clock.now()
    context = {
        "row": key_row(key, now=now),
        "problem": problem,
        "form_key": uuid4(),
        "is_valid": key.is_valid_at(now),
        "before": replaced_keys(key, at=now),
        "may_rotate": may_rotate(request.membership, key),
    }
    return render(request, "dashboard/api_keys/key.html", context, status=status)


def _show(
    request: AccountRequest, made: MadeKey, event: str, *, replaced: ApiKey | None = None
) -> HttpResponse:
    """Show a new key: the only answer that has it."""
    note(event, request=request, user=cast(User, request.user), key=made.key.shown)
    context = {
        "row": key_row(made.key, now=clock.now()),
        "secret": made.secret,
        "replaced": replaced,
        "examples": first_requests(key=made.secret, now=clock.now()),
    }
    return render(request, "dashboard/api_keys/made.html", context)


def _key(request: AccountRequest, public_id: UUID) -> ApiKey:
    found = (
        ApiKey.objects.filter(account=request.account, public_id=public_id)
        .select_related("created_by", "revoked_by", "replaced_by")
        .first()
    )
    if found is None:
        raise Http404("No such key.")
    return found
