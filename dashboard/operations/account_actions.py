"""What an operator does to one account, each on a page of its own and each one domain call:
post an adjustment, change the plan, agree terms, cancel a planned change.
"""

import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import flatten
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from unfold.decorators import action
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from billing.ledger.balances import balance_read_with
from billing.models import Account, CustomTerms, Plan, Subscription
from billing.models.ledger import REMARKS_LENGTH_MAX
from billing.plans.movements import adjust
from billing.plans.subscriptions import (
    NOT_PLANNED,
    SubscriptionError,
    cancel_planned_change,
    subscribe,
)
from billing.plans.tariffs import Agreement, TariffBook
from billing.plans.terms import TermsError, agree_terms, effective_instant, instants
from billing.refusals import Refusal
from billing.texts import in_credits
from billing.zones import local
from dashboard.operations.base import OperatorAdmin, signed
from dashboard.operations.plans import plan_terms_at
from dashboard.operations.terms import (
    OWN_LAYOUT,
    OWN_TERMS,
    OWN_TERMS_ABOUT,
    InstantField,
    OwnTermsFields,
    TermsFields,
    instant_field,
)
from dashboard.refusals import add_refusal

ADJUSTMENT_CREDITS_MAX = 100_000_000
EXPIRY_YEARS_MAX = 20
FOR_SUBSCRIPTION = "subscription"
NO_AGREEMENT = "Change its plan first: the account has no plan with terms."
TEMPLATE = "admin/billing/account/action.html"


class AdjustmentForm(forms.Form):
    """Credits to give or take, and why."""

    credits = forms.IntegerField(
        min_value=-ADJUSTMENT_CREDITS_MAX,
        max_value=ADJUSTMENT_CREDITS_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="500 adds, -500 takes. Taking more than there is leaves a debt.",
    )
    reason = forms.CharField(
        max_length=REMARKS_LENGTH_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text="The account reads it in its call log.",
    )
    expires_on = forms.DateField(
        label="Last day of use",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="Of credits added, in the account’s time zone. Empty: they never expire.",
    )
    # A form that is sent twice posts once.
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def expires_at(self, account: Account) -> datetime | None:
        """The end of the last day of use."""
        day = self.cleaned_data["expires_on"]
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=1), time.min, account.zone).astimezone(UTC)

    def clean_expires_on(self) -> Any:
        """Refuse years that are typing errors."""
        day = self.cleaned_data["expires_on"]
        if day and day.year > timezone.now().year + EXPIRY_YEARS_MAX:
            raise forms.ValidationError(
                f"More than {EXPIRY_YEARS_MAX} years ahead: leave it empty."
            )
        return day


class PlanField(forms.ModelChoiceField):
    """A plan on offer, named with what it gives to everyone now."""

    widget = UnfoldAdminSelectWidget

    def __init__(self, **kwargs: Any) -> None:
        offered = Plan.objects.filter(is_active=True).prefetch_related("terms")
        super().__init__(offered, **kwargs)

    def label_from_instance(self, plan: Plan) -> str:
        """Its name, tariff and credits."""
        terms = plan_terms_at(plan, timezone.now())
        if terms is None:
            return f"{plan}: no terms yet"
        credits = terms.credits_per_cycle
        granted = "credits as agreed" if credits is None else f"{in_credits(credits)} a cycle"
        return f"{plan}: {terms.tariff}, {granted}"


class ChangePlanForm(OwnTermsFields):
    """Another plan, from now or later, and the terms agreed along with it."""

    plan = PlanField(
        help_text="A new billing cycle begins with it, and its credits are granted then.",
    )
    effective_from = InstantField(
        label="From", required=False, help_text="UTC. Empty: from now on. The past stays as it was."
    )

    field_order = ("plan", "effective_from", *flatten(OWN_LAYOUT))

    def __init__(self, *args: Any, account: Account, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.currency = account.currency
        instant_field(self).in_zone(account.zone)
        in_force = TariffBook([account.pk]).find(account.pk, now)
        self.preview_beside(in_force.terms if in_force else None)

    def clean_effective_from(self) -> datetime:
        """The instant it takes effect."""
        try:
            return effective_instant(self.cleaned_data["effective_from"], now=self.now)
        except TermsError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered."""
        super().clean()
        self.check_own_terms(currency=self.currency)
        return self.cleaned_data


class CustomTermsForm(TermsFields):
    """Terms for one account, starting from those it has or will have."""

    def __init__(
        self,
        *args: Any,
        agreement: Agreement,
        in_force: Agreement | None,
        now: datetime,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.agreement = agreement
        self.show(agreement.terms, in_force=in_force.terms if in_force else None)
        self.show_custom(agreement.subscription, now=now)

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered."""
        super().clean()
        taken = instants(self.agreement.subscription.custom_terms.all())
        self.check_terms(taken=taken, now=self.now)
        return self.cleaned_data


class AccountActions(OperatorAdmin):
    """The pages of these actions, reached from the account's page."""

    actions_detail = ("post_adjustment", "change_plan", "agree_custom_terms")

    def get_urls(self) -> list[URLPattern]:
        cancel = self.admin_site.admin_view(self.cancel_change)
        name = "billing_account_cancel_change"
        return [
            path("<int:object_id>/cancel-change/<int:subscription_id>/", cancel, name=name),
            *super().get_urls(),
        ]

    @action(description="Post an adjustment", url_path="adjust")  # type: ignore[untyped-decorator]
    def post_adjustment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Add or take credits, for a reason."""
        account = self._account(request, object_id)
        form = AdjustmentForm(request.POST or None)
        if form.is_valid():
            data = form.cleaned_data
            try:
                with transaction.atomic():
                    new = adjust(
                        account=account,
                        credits=data["credits"],
                        reason=data["reason"],
                        reference=f"operator-{request.user.pk}:{data['key']}",
                        at=timezone.now(),
                        expires_at=form.expires_at(account),
                    )
                    if new:
                        credits = data["credits"]
                        said = f"{signed(credits)} credit{pluralize(credits)}: {data['reason']}"
                        self.log_change(request, account, f"Posted an adjustment of {said}")
            except Refusal as refusal:
                add_refusal(form, refusal, inputs={"expires_at": "expires_on"})
            else:
                if new:
                    messages.success(request, f"Posted {said}")
                else:
                    messages.warning(
                        request,
                        "This adjustment was posted already; nothing was posted now. "
                        "Open the form anew for another one.",
                    )
                return self._back(account)
        return self._page(
            request,
            account,
            form,
            title="Post an adjustment",
            about="Posted at once, and never edited: to take it back, post the opposite.",
            button="Post adjustment",
        )

    @action(description="Change plan", url_path="change-plan")  # type: ignore[untyped-decorator]
    def change_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Put the account on another plan."""
        account = self._account(request, object_id)
        now = timezone.now()
        form = ChangePlanForm(request.POST or None, account=account, now=now)
        if form.is_valid():
            plan, at = form.cleaned_data["plan"], form.cleaned_data["effective_from"]
            try:
                with transaction.atomic():
                    terms = form.own_terms()
                    subscribe(account=account, plan=plan, at=at, now=now, custom_terms=terms)
                    put = "Planned" if at > now else "Put"
                    said = f"on {plan} from {local(at, account.zone)}"
                    said += f", at {_in_words(terms)}" if terms else ""
                    self.log_change(request, account, f"{put} {said}")
            except SubscriptionError as error:
                form.add_error(None, str(error))
            else:
                is_so = "will be" if at > now else "is"
                messages.success(request, f"{account} {is_so} {said}.")
                return self._back(account)
        return self._page(
            request,
            account,
            form,
            title="Change plan",
            about="Calls that started before keep their charge. What is left of the present plan's "
            "credits expires with the change.",
            button="Change plan",
            terms_title=OWN_TERMS,
            terms_about=OWN_TERMS_ABOUT,
        )

    @action(description="Custom terms", url_path="custom-terms")  # type: ignore[untyped-decorator]
    def agree_custom_terms(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Give the account terms of its own on the plan it is on, or on one that is planned."""
        account = self._account(request, object_id)
        now = timezone.now()
        book = TariffBook([account.pk])
        in_force = book.find(account.pk, now)
        agreements = _agreements(book, account, now)
        asked = request.GET.get(FOR_SUBSCRIPTION) or next(iter(agreements), "")
        agreement = agreements.get(asked)
        if agreement is None:
            messages.error(request, NOT_PLANNED if agreements else NO_AGREEMENT)
            return self._back(account)
        planned = agreement.terms
        has_terms = isinstance(planned, CustomTerms) and planned.effective_from > now
        if request.method == "GET" and has_terms:
            return redirect("admin:billing_customterms_change", planned.pk)
        form = CustomTermsForm(
            request.POST or None, agreement=agreement, in_force=in_force, now=now
        )
        if form.is_valid():
            terms = CustomTerms()
            form.enter_into(terms)
            try:
                with transaction.atomic():
                    agree_terms(
                        subscription=agreement.subscription,
                        terms=terms,
                        effective_from=form.cleaned_data["effective_from"],
                        now=now,
                    )
                    said = (
                        f"{terms.tariff} on {agreement.plan} from "
                        f"{local(terms.effective_from, account.zone)}"
                    )
                    self.log_change(request, account, f"Agreed terms: {said}")
            except TermsError as error:
                form.add_error(error.field or None, str(error))
            else:
                messages.success(request, f"Terms of {account}: {said}.")
                return self._back(account)
        begins = agreement.subscription.effective_from
        if begins > now:
            about = (
                f"For {agreement.plan}, to which the account changes on "
                f"{local(begins, account.zone)}: in place of what that plan gives to everyone, for "
                "as long as the account stays on it. These are the numbers it will have."
            )
        else:
            about = (
                f"In place of what {agreement.plan} gives to everyone, for as long as the "
                "account stays on it. These are the numbers it has now."
            )
        return self._page(
            request,
            account,
            form,
            title="Custom terms",
            about=about,
            button="Agree terms",
            choices=[
                (f"?{FOR_SUBSCRIPTION}={key}", _when(one, now, account), one is agreement)
                for key, one in agreements.items()
                if len(agreements) > 1
            ],
        )

    def cancel_change(
        self, request: HttpRequest, object_id: int, subscription_id: int
    ) -> HttpResponse:
        """Ask, then cancel a change of plan that has not begun."""
        account = self._account(request, str(object_id))
        subscription = Subscription.objects.filter(pk=subscription_id, account=account).first()
        if subscription is None:
            messages.error(request, NOT_PLANNED)
            return self._back(account)
        if request.method == "GET" and subscription.effective_from <= timezone.now():
            messages.error(request, f"{subscription} has begun: change the plan instead.")
            return self._back(account)
        if request.method == "POST":
            try:
                with transaction.atomic():
                    cancel_planned_change(subscription=subscription, now=timezone.now())
                    said = f"the change to {subscription.plan}"
                    self.log_change(request, account, f"Cancelled {said}")
            except SubscriptionError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"Cancelled {said}.")
            return self._back(account)
        return self._page(
            request,
            account,
            None,
            title="Cancel a planned change",
            about=f"{account} would go to {subscription.plan} on "
            f"{local(subscription.effective_from, account.zone)}. "
            "When you cancel that, it stays on the plan before, whose credits then last to the end "
            "of their cycle, or to the next planned change. Terms agreed for this one go with it.",
            button="Cancel the change",
        )

    def _account(self, request: HttpRequest, object_id: str) -> Account:
        account: Account | None = self.get_object(request, object_id)
        if account is None:
            raise Http404
        return account

    def _back(self, account: Account) -> HttpResponse:
        return redirect("admin:billing_account_change", account.pk)

    def _page(
        self, request: HttpRequest, account: Account, form: forms.Form | None, **words: Any
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            **words,
            "opts": self.opts,
            "original": account,
            "credits": signed(balance_read_with(account).credits, plus=""),
            "form": form,
            "media": self.media + (form.media if form else forms.Media()),
        }
        return TemplateResponse(request, TEMPLATE, context)


def _agreements(book: TariffBook, account: Account, now: datetime) -> dict[str, Agreement]:
    """What the account has agreed to now, then what it will have as each planned change begins,
    by the subscription."""
    instants = [
        subscription.effective_from
        for subscription, _ in book.subscriptions_of(account.pk)
        if subscription.effective_from > now
    ]
    found = (book.find(account.pk, at) for at in (now, *instants))
    agreements: dict[str, Agreement] = {}
    for agreement in found:
        if agreement is not None:
            agreement.subscription.account = account
            agreements.setdefault(str(agreement.subscription.pk), agreement)
    return agreements


def _when(agreement: Agreement, now: datetime, account: Account) -> str:
    """Which plan, and since when, as a choice."""
    begins = agreement.subscription.effective_from
    return f"{agreement.plan}, {f'from {local(begins, account.zone)}' if begins > now else 'now'}"


def _in_words(terms: CustomTerms) -> str:
    granted = in_credits(terms.credits_per_cycle or 0)
    return f"{terms.tariff} and {granted} a cycle"
