"""An operator brings somebody into an account, with a link by which they choose a password."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminRadioSelectWidget

from billing.accounts.team import INVITATION_LIVES, invite_as_operator, is_invited
from billing.models import Membership, Role, User
from dashboard.operations.accounts.action import AccountAction
from dashboard.operations.first_steps import WHOM
from dashboard.operations.permissions import may_change
from dashboard.operations.record_actions import Outcome, Preview
from dashboard.sign_in.invitations import invitation_link, mails_go_out, send_welcome
from dashboard.team.form import InvitationForm


class OperatorInvitationForm(InvitationForm):
    """Whom to invite, and as what: an operator may give every role."""

    field_order = ("email", "role")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, offered=list(Role), **options)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        role.widget = UnfoldAdminRadioSelectWidget(choices=role.choices)
        self.fields["email"].widget = UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off"})


class InviteSomebody(AccountAction):
    """Make somebody a member, and send them a link; once more where they have not used it."""

    name = "invite"
    path = "invite"
    label = "Invite somebody"

    def form(self, data: Any) -> OperatorInvitationForm:
        asked = {"email": self.request.GET.get(WHOM, ""), "role": Role.SUPERADMIN}
        return OperatorInvitationForm(data, initial=asked)

    def preview(self) -> Preview:
        return self.account_preview(
            title="Invite somebody",
            about=[
                "Who is new here gets a mail with a link to choose a password, which works once, "
                f"for {INVITATION_LIVES.days} days. Who has not chosen one yet gets the link again."
            ],
            button="Invite them",
        )

    def do(self, form: OperatorInvitationForm) -> Outcome:
        member = invite_as_operator(
            account=self.record,
            email=form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            now=self.now,
        )
        transaction.on_commit(lambda: send_invitation(self.request, member))
        email, role = member.user.email, member.get_role_display()
        return Outcome(
            told=f"{email} is {role} of {self.record}.", recorded=f"Invited {email} as {role}"
        )


def send_invitation(request: HttpRequest, member: Membership) -> None:
    """Send the mail that brings ``member`` in, and tell the operator what came of it.

    Where no mail goes out the operator is shown the link: somebody has to pass it on. Not that of
    another operator, though, whom only superusers may change.
    """
    email = member.user.email
    is_sent = send_welcome(member=member, by=cast(User, request.user)) and mails_go_out()
    if is_sent:
        messages.success(request, f"A mail is on its way to {email}.")
    elif is_invited(member.user) and may_change(request, member.user):
        messages.warning(
            request,
            f"No mail went out. Give {email} this link yourself: it works once, for "
            f"{INVITATION_LIVES.days} days. {invitation_link(member.user)}",
        )
    elif is_invited(member.user):
        messages.warning(request, "No mail went out. Invite them again once mails go out.")
    else:
        messages.warning(
            request, f"No mail went out. Tell {email} that they can sign in with their password."
        )
