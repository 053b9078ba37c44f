"""The people of an account, among whom somebody must be able to pay."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest
from django.utils.text import capfirst
from unfold.admin import TabularInline
from unfold.forms import PaginationInlineFormSet

from billing.accounts.members import remove_member, store_member
from billing.models import Membership, Role
from dashboard.operations.permissions import EVERYTHING, StaffPermissions

ID_DIGITS_MAX = 18


class FoundSelect(AutocompleteSelect):
    """A choice found by typing. What is no id is refused by its field, not by the database."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        ids = [one for one in value if str(one).isdecimal() and len(str(one)) <= ID_DIGITS_MAX]
        return super().optgroups(name, ids, attr)


class StoringFormSet(PaginationInlineFormSet):
    """Members, stored as the domain stores them: who changed whom is noted."""

    def save_new(self, form: Any, commit: bool = True) -> Membership:
        membership: Membership = super().save_new(form, commit=False)
        if commit:
            store_member(membership=membership)
        return membership

    def save_existing(self, form: Any, obj: Any, commit: bool = True) -> Membership:
        membership: Membership = super().save_existing(form, obj, commit=False)
        if commit:
            store_member(membership=membership)
        return membership

    def delete_existing(self, obj: Any, commit: bool = True) -> None:
        if commit:
            remove_member(membership=obj)


class MembersFormSet(StoringFormSet):
    """The people of an account, one of whom must be able to pay."""

    def clean(self) -> None:
        """Refuse to leave the account without a superadmin."""
        super().clean()
        if any(self.errors):
            return
        roles = [
            form.cleaned_data.get("role")
            for form in self.forms
            if form.cleaned_data and not form.cleaned_data.get("DELETE")
        ]
        if Role.SUPERADMIN not in roles:
            raise forms.ValidationError(
                "Leave at least one superadmin: nobody else can top up or change the plan."
            )


class MembershipInline(StaffPermissions, TabularInline):
    """Who belongs to which account, and as what."""

    allowed = EVERYTHING
    model = Membership
    extra = 0

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.autocomplete_fields:
            kwargs["widget"] = FoundSelect(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Each field is named by its column for the eye; a voice needs its name beside it."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = capfirst(str(db_field.verbose_name))
        return field


class MembersInline(MembershipInline):
    """The people of one account."""

    formset = MembersFormSet
    autocomplete_fields = ("user",)
    verbose_name_plural = "members"
