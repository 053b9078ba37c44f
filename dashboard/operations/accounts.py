"""Accounts for operators: how each stands, who is in it, and opening a new one.

What moves credits or changes the plan has its own page: `dashboard.operations.account_actions`.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import DropdownFilter
from unfold.forms import PaginationInlineFormSet
from unfold.views import ChangeList
from unfold.widgets import (
    UnfoldAdminRelatedFieldWrapperWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
)

from billing.accounts.opening import change_time_zone, open_account
from billing.models import Account, Membership, Plan, Role, Subscription, User
from billing.zones import local, place_names
from dashboard.operations.account_actions import AccountActions
from dashboard.operations.account_page import Standing, account_page, standings, state_label
from dashboard.operations.base import OperatorAdmin, StandingFilter, is_operator, signed
from dashboard.operations.terms import OWN_LAYOUT, OWN_TERMS, OWN_TERMS_ABOUT, OwnTermsFields


class AccountList(ChangeList):
    """The list of accounts, with how each on the page stands."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then all of its standings at once."""
        super().get_results(request)
        accounts: list[Any] = list(self.result_list)
        found = standings(accounts, at=timezone.now())
        for account in accounts:
            account.standing = found[account.pk]
        self.result_list = accounts


def standing_of(account: Any) -> Standing:
    """How an account of the list stands, as `AccountList` read it."""
    standing: Standing = account.standing
    return standing


class PlanFilter(DropdownFilter):
    """Accounts by the plan they are on now."""

    title = "plan"
    parameter_name = "plan"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(plan.pk), plan.name) for plan in Plan.objects.all()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the accounts whose latest subscription that has begun is of the plan."""
        value = self.value() or ""
        if not value.isdecimal():
            return queryset
        latest = Subscription.objects.filter(
            account=OuterRef("pk"), effective_from__lte=timezone.now()
        ).order_by("-effective_from")
        now_on = queryset.annotate(on_plan=Subquery(latest.values("plan")[:1]))
        kept: QuerySet = now_on.filter(on_plan=value)
        return kept


class FoundSelect(AutocompleteSelect):
    """A choice found by typing. What is no id is refused by its field, not by the database."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        return super().optgroups(name, [one for one in value if str(one).isdecimal()], attr)


class AccountStandingFilter(StandingFilter):
    """Accounts by the sign of their balance."""

    path = "balance__credits"


class AccountForm(forms.ModelForm):
    """What an operator may change of an account directly."""

    class Meta:
        model = Account
        fields = ("name", "slug", "time_zone", "currency")
        widgets = {"time_zone": UnfoldAdminSelect2Widget}
        help_texts = {
            "slug": "Names the account in addresses and on the command line. After a change, links "
            "that were kept or sent before lead nowhere.",
            "time_zone": "Days and all times shown to the account. Changing it sums its days anew; "
            "billing cycles begin when they did, until the next change of plan.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = self.fields["time_zone"].widget
        assert isinstance(zones, forms.Select)
        zones.choices = [(name, name) for name in sorted(place_names() | {self.instance.time_zone})]

    def _get_validation_exclusions(self) -> set[str]:
        """An account may keep a zone that it would not be given now."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # no stub
        return excluded if "time_zone" in self.changed_data else excluded | {"time_zone"}


class OpenAccountForm(OwnTermsFields, AccountForm):
    """A new account: its first plan with the terms agreed, and the person who owns it."""

    plan = forms.ModelChoiceField(
        Plan.objects.filter(is_active=True),
        widget=UnfoldAdminSelectWidget,
        help_text="From now on.",
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        label="First superadmin",
        help_text="Who may top up, and add everybody else. Add the person first, if new.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user = Membership._meta.get_field("user")
        owner = self.fields["owner"]
        assert isinstance(owner, forms.ModelChoiceField)
        owner.widget = UnfoldAdminRelatedFieldWrapperWidget(
            FoundSelect(
                user,
                admin.site,
                attrs={"data-theme": "admin-autocomplete", "class": "unfold-admin-autocomplete"},
                choices=owner.choices,
            ),
            user.remote_field,
            admin.site,
            can_add_related=True,
        )
        self.preview_beside(None)

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered, in the currency of the account."""
        super().clean()
        self.check_own_terms(currency=self.cleaned_data.get("currency"))
        return self.cleaned_data


class MembersFormSet(PaginationInlineFormSet):
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


class MembershipInline(TabularInline):
    """Who belongs to which account, and as what."""

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

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_operator(request)


class MembersInline(MembershipInline):
    """The people of one account."""

    formset = MembersFormSet
    autocomplete_fields = ("user",)
    verbose_name_plural = "members"


@admin.register(Account)
class AccountAdmin(AccountActions, OperatorAdmin):
    """Accounts: the list with how each stands, and the page of one."""

    form = AccountForm
    change_form_template = "admin/billing/account/change_form.html"
    list_display = ("name", "slug", "plan_now", "credits", "state", "time_zone", "opened")
    list_filter = (PlanFilter, AccountStandingFilter)
    list_filter_submit = True
    list_select_related = ("balance", "credit_watch")
    search_fields = ("name", "slug")
    search_help_text = "Name or short name"
    ordering = ("name", "id")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembersInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: an account's history stays."""
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AccountList

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of a new account asks for more."""
        if obj is None:
            kwargs["form"] = OpenAccountForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        account = (("name", "slug"), ("time_zone", "currency"))
        if obj:
            return [(None, {"fields": account})]
        return [
            (None, {"fields": (*account, "plan", "owner")}),
            (OWN_TERMS, {"fields": OWN_LAYOUT, "description": OWN_TERMS_ABOUT}),
        ]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A short name follows the name once only: addresses contain it."""
        return {} if obj else self.prepopulated_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Open the account, or store what was changed of it."""
        if not change:
            open_account(
                account=obj,
                plan=form.cleaned_data["plan"],
                owner=form.cleaned_data["owner"],
                at=timezone.now(),
                custom_terms=form.own_terms(),
            )
            return
        super().save_model(request, obj, form, change)
        if "time_zone" in form.changed_data:
            change_time_zone(account=obj, time_zone=obj.time_zone)

    def response_post_save_add(self, request: HttpRequest, obj: Account) -> HttpResponse:
        """A new account's own page is where its terms are agreed."""
        return redirect("admin:billing_account_change", obj.pk)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page, with what the account has and had around the form."""
        account = self.get_object(request, object_id) if object_id else None
        if account is not None:
            page = account_page(account, now=timezone.now())
            extra_context = {**(extra_context or {}), **page}
        return super().changeform_view(request, object_id, form_url, extra_context)

    @admin.display(description="Plan")
    def plan_now(self, account: Account) -> str:
        """The plan in force."""
        agreement = standing_of(account).agreement
        return agreement.plan.name if agreement else "none"

    @admin.display(description="Credits")
    def credits(self, account: Account) -> str:
        """What it has now."""
        return signed(standing_of(account).credits, plus="")

    @admin.display(description="State")
    def state(self, account: Account) -> SafeString:
        """Whether there is something to do about it."""
        return state_label(standing_of(account))

    @admin.display(description="Opened")
    def opened(self, account: Account) -> str:
        """When it was entered here."""
        return local(account.created_at, account.zone)
