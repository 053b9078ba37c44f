"""The list of accounts with how each stands, and the page of one.

What moves credits or changes the plan is an action with a page of its own.
"""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from billing import clock
from billing.accounts.opening import (
    ACCOUNT_FACTS,
    COMPANY_FACTS,
    change_account,
    open_account,
)
from billing.accounts.team import invite_as_operator, is_invited
from billing.models import Account, Plan, Subscription
from billing.notices.levels import CreditState, in_state
from billing.texts import grouped
from billing.zones import local
from dashboard.operations.accounts.adjustment import PostAdjustment
from dashboard.operations.accounts.closing import CloseAccount, ReopenAccount
from dashboard.operations.accounts.custom_terms import AgreeCustomTerms
from dashboard.operations.accounts.forms import AccountForm, OpenAccountForm
from dashboard.operations.accounts.invitation import InviteSomebody, send_invitation
from dashboard.operations.accounts.members import MembersInline
from dashboard.operations.accounts.panels import account_panels
from dashboard.operations.accounts.plan_change import CancelPlannedChange, ChangePlan
from dashboard.operations.accounts.standing import (
    STATE_LABELS,
    Standing,
    standings,
    state_label,
)
from dashboard.operations.base import EditableAdmin
from dashboard.operations.filters import ChosenFilter, MonthFilter, Rows
from dashboard.operations.first_steps import are_shown as first_steps_are_shown
from dashboard.operations.months import Month
from dashboard.operations.plans.fields import (
    OPTIONAL_LAYOUT,
    OPTIONAL_TERMS,
    OPTIONAL_TERMS_ABOUT,
)


class AccountList(ChangeList):
    """The list of accounts, with how each on the page stands."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the page, then all of its standings at once."""
        super().get_results(request)
        accounts: list[Any] = list(self.result_list)
        found = standings(accounts, at=clock.now())
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
            account=OuterRef("pk"), effective_from__lte=clock.now()
        ).order_by("-effective_from")
        now_on = queryset.annotate(on_plan=Subquery(latest.values("plan")[:1]))
        kept: QuerySet = now_on.filter(on_plan=value)
        return kept


def _in_state(state: CreditState) -> Rows:
    return lambda now: Account.objects.filter(in_state(state))


class CreditStateFilter(ChosenFilter):
    """Accounts by whether there is something to do about their credits."""

    title = "state"
    parameter_name = "state"
    chosen = {state.value: (words, _in_state(state)) for state, (words, _) in STATE_LABELS.items()}


class OpenedFilter(MonthFilter):
    """Accounts by the month in which they were entered here."""

    title = "opened in"
    parameter_name = "opened"

    def in_month(self, month: Month) -> Q:
        return opened_in(month)


def opened_in(month: Month) -> Q:
    """The accounts that were entered here in ``month``."""
    return Q(created_at__gte=month.starts_at, created_at__lt=month.ends_at)


COMPANY_ABOUT = (
    "Whom receipts name as the buyer, from the next one on. Its own people enter it under Settings "
    "→ Company."
)


@admin.register(Account)
class AccountAdmin(EditableAdmin):
    """Accounts: the list with how each stands, and the page of one."""

    allowed = frozenset({"add", "change"})  # an account's history stays
    record_actions = (
        PostAdjustment,
        ChangePlan,
        AgreeCustomTerms,
        InviteSomebody,
        CancelPlannedChange,
        CloseAccount,
        ReopenAccount,
    )
    form = AccountForm
    change_form_template = "admin/billing/account/change_form.html"
    list_display = ("name", "slug", "plan_now", "credits", "state", "time_zone", "opened")
    list_filter = (PlanFilter, CreditStateFilter, OpenedFilter)
    list_filter_submit = True
    list_select_related = ("balance", "credit_watch")
    search_fields = ("name", "slug")
    search_help_text = "Name or short name"
    ordering = ("name", "id")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (MembersInline,)

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
            company = {"fields": COMPANY_FACTS, "description": COMPANY_ABOUT}
            return [(None, {"fields": account}), ("Company", company)]
        return [
            (None, {"fields": (*account, ("plan", "starts_at"), "owner", "seen")}),
            (OPTIONAL_TERMS, {"fields": OPTIONAL_LAYOUT, "description": OPTIONAL_TERMS_ABOUT}),
        ]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A short name follows the name once only: addresses contain it."""
        return {} if obj else self.prepopulated_fields

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Open the account and invite its first superadmin, or store what was changed of it."""
        if not change:
            open_account(
                account=obj,
                plan=form.cleaned_data["plan"],
                owner=form.first_superadmin(),
                now=form.now,
                starts_at=form.cleaned_data["starts_at"],
                custom_terms=form.optional_terms(),
            )
            owner = obj.memberships.select_related("user", "account").get()
            if is_invited(owner.user):
                invite_as_operator(
                    account=obj, email=owner.user.email, role=owner.role, now=form.now
                )
            transaction.on_commit(lambda: send_invitation(request, owner))
            return
        change_account(account=obj, facts=(*ACCOUNT_FACTS, *COMPANY_FACTS))

    def response_post_save_add(self, request: HttpRequest, obj: Account) -> HttpResponse:
        """A new account's own page shows how it stands; the first steps lead on from it."""
        if first_steps_are_shown():
            return redirect("admin:index")
        return redirect("admin:billing_account_change", obj.pk)

    def around_form(self, record: Account) -> dict[str, Any]:
        """What the account has and had."""
        return account_panels(record, now=clock.now())

    @admin.display(description="Plan")
    def plan_now(self, account: Account) -> str:
        """The plan in force."""
        agreement = standing_of(account).agreement
        return agreement.plan.name if agreement else "none"

    @admin.display(description="Credits")
    def credits(self, account: Account) -> str:
        """What it has now."""
        return grouped(standing_of(account).credits)

    @admin.display(description="State")
    def state(self, account: Account) -> SafeString:
        """Whether there is something to do about it."""
        return state_label(standing_of(account))

    @admin.display(description="Opened")
    def opened(self, account: Account) -> str:
        """When it was entered here."""
        return local(account.created_at, account.zone)
