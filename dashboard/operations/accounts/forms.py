"""The forms that accounts are opened and changed with."""

from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from billing import clock
from billing.accounts.opening import (
    ACCOUNT_FACTS,
    COMPANY_FACTS,
    credits_of_opening,
    granted_in_words,
)
from billing.accounts.people import add_person, person_with
from billing.models import Account, Plan, User
from billing.zones import place_names
from dashboard.account.form import CompanyFields
from dashboard.operations.accounts.zone_select import ZoneSelect
from dashboard.operations.plans.fields import OptionalTermsFields, entered_but
from dashboard.operations.plans.instants import InstantField
from dashboard.refusals import refusals_beside
from dashboard.team.form import EMAIL_LENGTH_MAX, as_stored


class AccountForm(CompanyFields):
    """What an operator may change of an account directly."""

    class Meta:
        model = Account
        fields = (*ACCOUNT_FACTS, *COMPANY_FACTS)
        widgets = {
            "time_zone": ZoneSelect,
            "company_address": UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        }
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


class OpenAccountForm(OptionalTermsFields, AccountForm):
    """A new account: its first plan with the terms agreed, and the person who owns it.

    ``asks_to_confirm``: nothing is wrong, but the operator has not seen yet what the start grants.
    """

    asks_to_confirm = False

    plan = forms.ModelChoiceField(
        Plan.objects.filter(is_active=True),
        widget=UnfoldAdminSelectWidget,
    )
    starts_at = InstantField(
        label="Start",
        required=False,
        help_text="On the account’s clock. Empty: now. With a start in the past, calls since then "
        "are charged, and the billing cycles since then are granted and expired in order; what "
        "that comes to is shown before anything is saved.",
    )
    # What the operator was told that the start grants: saved only if it is still so.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    owner = forms.EmailField(
        label="First superadmin",
        max_length=EMAIL_LENGTH_MAX,
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off"}),
        help_text="The e-mail address of whoever may top up, and invites everybody else. Who is "
        "new here is added, and gets a mail with a link to choose a password.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.preview_beside(None)
        self.now = clock.now()
        zone = str(self.data.get("time_zone", ""))
        if zone in place_names():
            start = self.fields["starts_at"]
            assert isinstance(start, InstantField)
            start.zone = ZoneInfo(zone)

    def clean_owner(self) -> str:
        """Refuse who may not sign in."""
        email = as_stored(self.cleaned_data["owner"])
        known = person_with(email=email)
        if known is not None and not known.is_active:
            raise forms.ValidationError(
                f"The sign-in of {email} is switched off. Switch it on first, among the people."
            )
        return email

    def first_superadmin(self) -> User:
        """Whoever signs in with the address that was entered, added where nobody does."""
        email = self.cleaned_data["owner"]
        return person_with(email=email) or add_person(email=email)

    def clean(self) -> dict[str, Any]:
        """Check the terms as entered, in the currency of the account, and what the start grants."""
        super().clean()
        self.check_optional_terms(currency=self.cleaned_data.get("currency"))
        if self.cleaned_data.get("starts_at") and not self.errors:
            with refusals_beside(self):
                self._confirm_start()
        return self.cleaned_data

    def _confirm_start(self) -> None:
        """Tell what a start in the past grants, and take the form only once it was told."""
        account = Account(time_zone=self.cleaned_data["time_zone"])
        granted = credits_of_opening(
            account=account,
            plan=self.cleaned_data["plan"],
            now=self.now,
            starts_at=self.cleaned_data["starts_at"],
            custom_terms=self.optional_terms(),
        )
        said = granted_in_words(granted, account)
        if self.cleaned_data["seen"] != said:
            self.asks_to_confirm = True
            self.add_error("starts_at", f"{said} Save again to open the account like this.")
            self.data = entered_but(self, "seen", said)
