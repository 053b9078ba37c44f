"""Settings → Team: who belongs to the account, inviting people, changing roles, removing.

What may be done is decided in `billing.accounts.team`; here is how it is asked for and told.
"""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from billing import clock
from billing.accounts.team import (
    change_role,
    invite,
    invite_again,
    is_last_to_pay,
    remove_from_team,
    roles_to_give,
)
from billing.models import Membership, Role, User
from billing.refusals import Refusal
from dashboard.access import AccountRequest, account_page
from dashboard.pages import to_real_page
from dashboard.refusals import add_refusal
from dashboard.sign_in.invitations import mails_go_out, send_welcome
from dashboard.team.form import InvitationForm, RoleForm
from dashboard.team.listing import MemberRow, member_rows, members_of

MEMBERS_PER_PAGE = 25
# Nobody of the team may see the link: it lets in whoever has it.
NO_MAIL = (
    "This installation sends no e-mail, so ask the people who run it how the new person signs in."
)


@account_page(manages=True, operators=False)
def team(request: AccountRequest) -> HttpResponse:
    """List who belongs to the account, with role and state."""
    found = members_of(request.account)
    page = Paginator(found, MEMBERS_PER_PAGE).get_page(request.GET.get("page"))
    elsewhere = to_real_page(request, shown=page.number)
    if elsewhere is not None:
        return elsewhere
    rows = member_rows(list(page), reader=request.membership, now=request.frame.now)
    return render(request, "dashboard/team/list.html", {"page": page, "rows": rows})


# ── Invite ────────────────────────────────────────────────────────────────────────────────────
def _invite(request: AccountRequest) -> HttpResponse:
    """Bring somebody in, and send the mail. The answer does not say whether they were known."""
    form = InvitationForm(request.POST, offered=roles_to_give(request.membership))
    if form.is_valid():
        try:
            member = invite(
                by=request.membership,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                now=clock.now(),
            )
        except Refusal as refusal:
            add_refusal(form, refusal)
        else:
            _send_mail(request, member)
            return redirect("dashboard:team", request.account.slug)
    return render(request, "dashboard/team/invite.html", {"form": form}, status=422)


@account_page(manages=True, operators=False, acts_when_closed=True, action=_invite)
def team_invite(request: AccountRequest) -> HttpResponse:
    """Ask for the address of somebody, and what they may do."""
    form = InvitationForm(offered=roles_to_give(request.membership), initial={"role": Role.MEMBER})
    return render(request, "dashboard/team/invite.html", {"form": form})


def _send_mail(request: AccountRequest, member: Membership) -> None:
    email = member.user.email
    is_sent = send_welcome(member=member, by=cast(User, request.user))
    if is_sent and not mails_go_out():
        messages.warning(request, f"{email} is in the team. {NO_MAIL}")
    elif is_sent:
        messages.success(request, f"A mail is on its way to {email}.")
    else:
        messages.error(
            request,
            f"{email} is in the team, but the mail to them could not be sent. Tell them, or send "
            "the invitation again in a few minutes.",
        )


# ── Change, remove ────────────────────────────────────────────────────────────────────────────
def _change_role(request: AccountRequest, member: Membership) -> HttpResponse:
    form = RoleForm(request.POST, offered=roles_to_give(request.membership))
    if form.is_valid():
        role = form.cleaned_data["role"]
        try:
            changed = change_role(by=request.membership, member=member, role=role)
        except Refusal as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, f"{member.user} is {changed.get_role_display()} now.")
            is_out = member.pk == request.membership.pk and not changed.may_manage
            return redirect(
                "dashboard:home" if is_out else "dashboard:team", slug=request.account.slug
            )
    return _page(request, member, form=form, status=422)


def _invite_again(request: AccountRequest, member: Membership) -> HttpResponse:
    _send_mail(request, invite_again(by=request.membership, member=member, now=clock.now()))
    return redirect("dashboard:team", request.account.slug)


def _remove(request: AccountRequest, member: Membership) -> HttpResponse:
    remove_from_team(by=request.membership, member=member)
    if member.pk == request.membership.pk:
        messages.success(request, f"You have left {request.account.name}.")
        return redirect("dashboard:landing")
    messages.success(request, f"{member.user} is removed from the team.")
    return redirect("dashboard:team", request.account.slug)


FORMS: dict[str, Callable[[AccountRequest, Membership], HttpResponse]] = {
    "role": _change_role,
    "invite": _invite_again,
    "remove": _remove,
}


def _change(request: AccountRequest, member_id: int) -> HttpResponse:
    """Do what the form that was sent is for."""
    member = _member(request, member_id)
    act = FORMS.get(request.POST.get("form", ""))
    if act is None:
        return _page(request, member, problem="Choose what to change.", status=422)
    try:
        return act(request, member)
    except Refusal as refusal:
        return _page(request, member, problem=refusal.message, status=409)


@account_page(manages=True, operators=False, acts_when_closed=True, action=_change)
def team_member(request: AccountRequest, member_id: int) -> HttpResponse:
    """Show one member, and how to change their role or remove them."""
    return _page(request, _member(request, member_id))


def _page(
    request: AccountRequest,
    member: Membership,
    *,
    form: RoleForm | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    (row,) = member_rows([member], reader=request.membership, now=clock.now())
    offered = roles_to_give(request.membership)
    context: dict[str, Any] = {
        "row": row,
        "name": _name(row),
        "form": form or RoleForm(offered=offered, initial={"role": member.role}),
        "problem": problem,
        "is_last_to_pay": is_last_to_pay(member),
    }
    return render(request, "dashboard/team/member.html", context, status=status)


def _name(row: MemberRow) -> str:
    return row.member.user.get_full_name() or row.member.user.email


def _member(request: AccountRequest, member_id: int) -> Membership:
    found: Membership | None = members_of(request.account).filter(pk=member_id).first()
    if found is None:
        raise Http404("No such member.")
    return found
