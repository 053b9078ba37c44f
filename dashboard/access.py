"""The one gate to the pages of an account: who may pass, and what they see instead.

Nobody else looks at memberships. Whoever is not a member of an account gets the same answer as
for an account that does not exist. Operators work in the admin; the one thing that they do for an
account on its own pages is what its managers do there: import calls.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from functools import wraps
from typing import Any, cast

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from billing import clock
from billing.ledger.balances import balance_read_with
from billing.models import Account, Balance, Membership, Role, User
from billing.plans.closed import AccountClosedError
from billing.prepared import Parameter, Prepared
from billing.snapshot import snapshot
from dashboard.contact import contact_url
from dashboard.frame import Frame, build_frame, read_around
from dashboard.sign_in.second_step import lead_to_second_step, may_operate
from dashboard.sign_in.sessions import htmx_page

LAST_ACCOUNT = "account"  # key in the session
READING = ("GET", "HEAD")


class AccountRequest(HttpRequest):
    """A request that has passed the gate. Bare data has no ``frame``: only pages do.

    An operator who is no member has the ``membership`` of an Admin, which is stored nowhere.
    """

    account: Account
    membership: Membership
    balance: Balance
    frame: Frame
    htmx: HtmxDetails


View = Callable[..., HttpResponseBase]


def account_page(
    *,
    pays: bool = False,
    manages: bool = False,
    operators: bool = True,
    framed: bool = True,
    begins: bool = False,
    acts_when_closed: bool = False,
    action: View | None = None,
) -> Callable[[View], View]:
    """Make a view one of an account's: ``view(request, …)`` gets ``request.account`` from ``slug``.

    ``pays``: only for those who may pay; others get 403 and are told who can help. ``manages``:
    only for those who manage the account, and for ``operators`` unless it says no. ``framed``:
    whether the answer is a page, with the frame around it, or bare data. Everything that the view
    reads is read in one snapshot with the frame; it must not write. ``begins``: the page is only
    there to begin something, which nobody can in an account that is closed.

    ``action``: what a POST to the page does, for the same people. It acts through one domain call,
    which has its own transaction, so there is no snapshot around it. In a closed account there is
    none for its members, unless it ``acts_when_closed``.
    """

    def decorate(view: View) -> View:
        return _gate(
            view,
            {"GET": view, "HEAD": view} | ({"POST": action} if action is not None else {}),
            pays=pays,
            manages=manages,
            with_operators=manages and operators,
            framed=framed,
            begins=begins,
            acts_when_closed=acts_when_closed,
        )

    return decorate


def account_action(method: str, *, manages: bool = False) -> Callable[[View], View]:
    """Make a view that only acts, on requests with ``method``, and answers with bare data.

    It acts through one domain call, as the action of a page does.
    """

    def decorate(view: View) -> View:
        return _gate(
            view,
            {method: view},
            pays=False,
            manages=manages,
            with_operators=manages,
            framed=False,
        )

    return decorate


def _gate(
    named: View,
    views: Mapping[str, View],
    *,
    pays: bool,
    manages: bool,
    with_operators: bool,
    framed: bool,
    begins: bool = False,
    acts_when_closed: bool = False,
) -> View:
    """Let those pass who may, to the one of ``views`` that answers the method of the request."""

    @wraps(named)
    def gate(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _sign_in(request)
        view = views.get(request.method or "")
        if view is None:
            return HttpResponse(status=405, headers={"Allow": ", ".join(views)})
        if with_operators and _lacks_second_step(request.user, slug):
            return lead_to_second_step(request)
        with snapshot() if request.method in READING else nullcontext():
            passed = _enter(request, slug, framed=framed, with_operators=with_operators)
            own = passed.membership
            if (pays and not own.may_pay) or (manages and not own.may_manage):
                return _no_permission(passed, pays=pays, framed=framed)
            acts = begins or (request.method not in READING and not acts_when_closed)
            if acts and passed.account.closed_at is not None and own.pk is not None:
                return _closed(passed, framed=framed)
            try:
                return view(passed, **kwargs)
            except AccountClosedError:  # since it was read here
                return _closed(passed, framed=framed)

    return gate


def accounts_of(user: User) -> list[Membership]:
    """The user's memberships with account and balance, by the account's name; one query."""
    return _MEMBERSHIPS(user_id=user.pk)


def _framed_accounts_of(user: User, now: datetime) -> list[Membership]:
    """The same, with what stands around pages of the accounts at ``now``; one query."""
    return _FRAMED_MEMBERSHIPS(user_id=user.pk, now=now)


def _memberships() -> QuerySet[Membership]:
    return (
        Membership.objects.filter(user=Parameter("user_id"))
        .select_related("account__balance", "account__credit_watch")
        .order_by("account__name", "account_id")
    )


_MEMBERSHIPS = Prepared(_memberships)
_FRAMED_MEMBERSHIPS = Prepared(lambda: _memberships().annotate(**read_around()), plan_is_kept=True)


def last_seen(request: HttpRequest, memberships: Sequence[Membership]) -> Membership | None:
    """The one of the account that the person saw last, else the first of ``memberships``."""
    slug = request.session.get(LAST_ACCOUNT)
    first = next(iter(memberships), None)
    return next((own for own in memberships if own.account.slug == slug), first)


def enter_last_seen(request: HttpRequest) -> bool:
    """Put a page that needs no account into the frame of the one seen last; False without one."""
    if request.user.is_authenticated:
        now = clock.now()
        with snapshot():
            memberships = _framed_accounts_of(request.user, now)
            membership = last_seen(request, memberships)
            if membership is not None:
                _attach(request, membership, memberships, framed_at=now)
    return hasattr(request, "frame")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: in the frame of an account of theirs to who is in one, so that they can go on.

    That is the account that the address names, if it is theirs, else the one they saw last.
    What does not exist and what is not theirs get the same answer.
    """
    if request.user.is_authenticated and not hasattr(request, "frame"):
        now = clock.now()
        with snapshot():
            memberships = _framed_accounts_of(request.user, now)
            named = [
                own
                for own in memberships
                if request.path.startswith(reverse("dashboard:home", args=[own.account.slug]))
            ]
            membership = last_seen(request, named or memberships)
            if membership is not None:
                _attach(request, membership, memberships, framed_at=now)
    request.resolver_match = None  # no page of the navigation is the current one
    is_framed = hasattr(request, "frame")
    template = "dashboard/account/not_found.html" if is_framed else "404.html"
    return render(request, template, status=404)


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    """Send to the sign-in and back; a part of a page can't show it, so the whole page goes."""
    if getattr(request, "htmx", None):
        here = htmx_page(request) or request.get_full_path()
        return HttpResponseClientRedirect(redirect_to_login(here).url)
    return redirect_to_login(request.get_full_path(), resolve_url("account_login"))


def _enter(
    request: HttpRequest, slug: str, *, framed: bool, with_operators: bool
) -> AccountRequest:
    """Attach the account named ``slug`` to the request. Raises Http404 where there is none."""
    user = cast(User, request.user)
    now = clock.now()
    memberships = _framed_accounts_of(user, now) if framed else accounts_of(user)
    membership = next((own for own in memberships if own.account.slug == slug), None)
    if membership is None and with_operators and user.is_staff:
        membership = _as_operator(user, slug)
    if membership is None:
        raise Http404("No such account.")
    passed = _attach(request, membership, memberships, framed_at=now if framed else None)
    # An operator comes from the admin and goes back there.
    is_theirs = membership.pk is not None
    if framed and is_theirs and passed.session.get(LAST_ACCOUNT) != slug:
        passed.session[LAST_ACCOUNT] = slug
    return passed


def _lacks_second_step(user: User, slug: str) -> bool:
    """Whether ``user`` would enter as an operator, without the second step that operators need.

    Asked before the snapshot: it begins the week in which to set the step up.
    """
    if not user.is_staff or Membership.objects.filter(user=user, account__slug=slug).exists():
        return False
    return not may_operate(user, now=clock.now())


def _as_operator(user: User, slug: str) -> Membership | None:
    """Return the place that an operator takes in the account named ``slug``, if there is one."""
    account = Account.objects.filter(slug=slug).select_related("balance", "credit_watch").first()
    if account is None:
        return None
    return Membership(user=user, account=account, role=Role.ADMIN)


def _attach(
    request: HttpRequest,
    membership: Membership,
    memberships: Sequence[Membership],
    *,
    framed_at: datetime | None,
) -> AccountRequest:
    """Make ``request`` one of the account of ``membership``, one of the person's.

    ``framed_at`` is when its frame is of, None where it gets none.
    """
    passed = cast(AccountRequest, request)
    passed.account, passed.membership = membership.account, membership
    passed.balance = balance_read_with(membership.account)
    if framed_at is not None:
        passed.frame = build_frame(
            membership=membership,
            other_accounts=[own.account for own in memberships if own != membership],
            balance=passed.balance.credits,
            now=framed_at,
        )
    return passed


def _closed(request: AccountRequest, *, framed: bool) -> HttpResponse:
    if not framed:
        raise PermissionDenied
    context = {"contact_url": contact_url()}
    return render(request, "dashboard/account/closed.html", context, status=409)


def _no_permission(request: AccountRequest, *, pays: bool, framed: bool) -> HttpResponse:
    if not framed:
        raise PermissionDenied
    helpers = (
        Membership.objects.filter(
            account=request.account,
            role__in=[Role.SUPERADMIN] if pays else [Role.SUPERADMIN, Role.ADMIN],
        )
        .select_related("user")
        .order_by("user__email", "user_id")
    )
    people = [person for person in helpers if person.user.is_active]
    context = {"people": people, "pays": pays}
    return render(request, "dashboard/account/no_permission.html", context, status=403)
