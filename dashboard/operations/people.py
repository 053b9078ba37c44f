"""People for operators: who signs in with which address, and to which accounts they belong.

Nobody is deleted, because what they did stays on record; make them inactive instead. Only a
superuser makes operators, and only a superuser changes one.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.widgets import UnfoldAdminEmailInputWidget

from billing.accounts.people import email_taken, pays_alone_for, set_email
from billing.activity import ActivityKind, note_about_person
from billing.models import Account, User
from dashboard.operations.accounts.members import MembershipInline, StoringFormSet
from dashboard.operations.base import EditableAdmin
from dashboard.operations.permissions import may_change
from dashboard.operations.record_actions import Outcome, Preview, RecordAction
from dashboard.sign_in.invitations import mails_go_out, send_password_link
from dashboard.sign_in.sessions import end_sessions, note_ended

EMAIL_LENGTH_MAX = 254
NOT_SENT = (
    "The mail with the link to choose a password could not be sent. Send it again from the "
    "person’s page once mails go out."
)


class PersonEmail(forms.Form):
    """The address somebody signs in with, which must be nobody else's."""

    email = forms.EmailField(
        label="E-mail", max_length=EMAIL_LENGTH_MAX, widget=UnfoldAdminEmailInputWidget
    )
    instance: User

    def clean_email(self) -> str:
        """Refuse an address that is in use."""
        email: str = self.cleaned_data["email"].strip().lower()
        if email_taken(email=email, user=self.instance):
            raise forms.ValidationError("Somebody signs in with this address already.")
        return email


class PersonForm(PersonEmail, forms.ModelForm):
    """A person as an operator adds or changes one. Passwords are nobody's but their own."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")


class SendPasswordLink(RecordAction[User]):
    """Mail somebody a link to choose a password."""

    name = "send_password_link"
    path = "password-link"
    label = "Send a link to choose a password"

    def preview(self) -> Preview:
        return Preview(
            title="Send a link to choose a password",
            subject=self.record.email,
            about=["The link works once, for a day. The present password holds until then."],
            button="Send the link",
        )

    def instead(self) -> HttpResponse | None:
        """Refuse where the operator may not change the person."""
        if not self.record.is_active or not may_change(self.request, self.record):
            return self.back("You may not send this person a link, or they are not active.")
        return None

    def do(self, form: Any) -> Outcome:
        if not send_password_link(self.record):
            return Outcome(told=NOT_SENT, level=messages.ERROR)
        # Also where mails are only printed: whoever reads them there has the link.
        note_about_person(ActivityKind.PASSWORD_LINK_SENT, person=self.record)
        if not mails_go_out():
            return Outcome(told=NOT_SENT, level=messages.ERROR)
        sent = f"a link to choose a password to {self.record.email}"
        return Outcome(told=f"Sent {sent}.", recorded=f"Sent {sent}")


class EndSessions(RecordAction[User]):
    """Sign somebody out everywhere, whose browser or password may be in other hands."""

    name = "end_sessions"
    path = "end-sessions"
    label = "Sign out everywhere"

    def preview(self) -> Preview:
        return Preview(
            title="Sign out everywhere",
            subject=self.record.email,
            about=["They have to sign in again everywhere. Their password stays the same."],
            button="Sign out everywhere",
        )

    def instead(self) -> HttpResponse | None:
        """Refuse where the operator may not change the person."""
        if not may_change(self.request, self.record):
            return self.back("You may not sign this person out.")
        return None

    def do(self, form: Any) -> Outcome:
        ended = note_ended(self.record, UserSession.objects.filter(user=self.record))
        end_sessions(self.record)
        browsers = f"{ended} browser{'' if ended == 1 else 's'}"
        return Outcome(told=f"Signed out in {browsers}.", recorded=f"Signed out in {browsers}")


class AccountsFormSet(StoringFormSet):
    """The accounts of a person, none of which may lose the only one who can pay."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        given_up = {
            form.initial["account"]
            for form in self.initial_forms
            if form.cleaned_data.get("DELETE") or {"account", "role"} & set(form.changed_data)
        }
        left = [account for account in pays_alone_for(self.instance) if account.pk in given_up]
        if left:
            raise forms.ValidationError(f"{nobody_pays_for(left)} Make somebody superadmin first.")


def nobody_pays_for(accounts: Sequence[Account]) -> str:
    """What it means that the only superadmin of ``accounts`` goes."""
    names = ", ".join(account.name for account in accounts)
    return f"Nobody else can top up or change the plan of {names}."


class AccountsInline(MembershipInline):
    """The accounts of one person."""

    formset = AccountsFormSet
    autocomplete_fields = ("account",)
    verbose_name_plural = "accounts"


# Their own pages would bypass the rules here, so they go as soon as they have been registered.
for module in (
    "django.contrib.auth.admin",
    "allauth.account.admin",
    "allauth.mfa.admin",
    "allauth.usersessions.admin",
):
    import_module(module)
for built_in in (Group, EmailAddress, Authenticator, UserSession):
    admin.site.unregister(built_in)


@admin.register(User)
class PersonAdmin(EditableAdmin):
    """People: customers' and, for superusers, operators."""

    allowed = frozenset({"add", "change"})  # what somebody did stays on record
    record_actions = (SendPasswordLink, EndSessions)
    form = PersonForm
    inlines = (AccountsInline,)
    list_display = ("email", "first_name", "last_name", "accounts", "is_active", "works_here")
    list_display_links = ("email",)
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "first_name", "last_name")
    ordering = ("email",)
    filter_horizontal = ()
    readonly_fields = ("last_login_local", "date_joined_local")

    def permits(self, request: HttpRequest, record: User) -> bool:
        """Operators change customers; only superusers change operators."""
        return may_change(request, record)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        people: QuerySet = super().get_queryset(request)
        return people.prefetch_related("memberships__account")

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            about = "They get a mail with a link to choose a password."
            return [(None, {"fields": ("email", "first_name", "last_name"), "description": about})]
        sections = [
            (None, {"fields": ("email", ("first_name", "last_name"), "is_active")}),
            ("Dates", {"fields": (("last_login_local", "date_joined_local"),)}),
        ]
        if request.user.is_superuser:
            staff = {
                "fields": (("is_staff", "is_superuser"),),
                "description": "Staff are operators: all of these pages. Superusers also make "
                "operators.",
            }
            sections.insert(1, ("Operator", staff))
        return sections

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Store the person with the address in both places; who is new gets a link."""
        if not change:
            obj.set_unusable_password()
        set_email(user=obj, email=obj.email)
        if not change:
            transaction.on_commit(lambda: self._invite(request, obj))
        if "is_active" in form.changed_data and not obj.is_active:
            end_sessions(obj)  # none goes on should they be let in again
            # Shutting somebody out can't wait for who comes after.
            if left := pays_alone_for(obj):
                told = f"{nobody_pays_for(left)} Make somebody superadmin there."
                messages.warning(request, told)

    def _invite(self, request: HttpRequest, person: User) -> None:
        if send_password_link(person) and mails_go_out():
            messages.info(request, f"A link to choose a password is on its way to {person.email}.")
        else:
            messages.error(request, NOT_SENT)

    def response_post_save_add(self, request: HttpRequest, obj: User) -> HttpResponse:
        """To which accounts somebody belongs is said on the person's own page."""
        return redirect("admin:billing_user_change", obj.pk)

    @admin.display(description="Accounts")
    def accounts(self, person: User) -> str:
        """The accounts somebody belongs to, each with the role."""
        return ", ".join(
            f"{membership.account} ({membership.get_role_display()})"
            for membership in person.memberships.all()
        )

    @admin.display(description="Operator")
    def works_here(self, person: User) -> str:
        """Whether somebody is staff."""
        return "Operator" if person.is_staff else "–"


@admin.register(Authenticator)
class SecondFactorAdmin(EditableAdmin):
    """Second factors, to delete that of somebody who lost it. Its secret is shown to nobody."""

    allowed = frozenset({"delete"})
    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("user__email",)
    ordering = ("-id",)
    fields = ("user", "type", "created_at", "last_used_at")

    def permits(self, request: HttpRequest, record: Authenticator) -> bool:
        """As whoever signs in with it may be changed."""
        return may_change(request, record.user)
