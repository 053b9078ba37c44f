"""The forms of an account's settings: a threshold of low credits, and the company on receipts."""

from typing import Any

from django import forms

from billing.accounts.opening import COMPANY_FACTS
from billing.models import Account, CreditThreshold
from billing.models.pricing import CREDITS_MAX

PERCENT_MAX = 100


class ThresholdForm(forms.Form):
    """A threshold to add: a number, and what it counts. If valid, it is `threshold`."""

    CREDITS = "credits"
    PERCENT = "percent"

    number = forms.IntegerField(
        label="Warn at",
        min_value=0,
        max_value=CREDITS_MAX,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Enter a number.", "invalid": "Enter a whole number."},
    )
    unit = forms.ChoiceField(
        label="Of what", choices=[(CREDITS, "credits"), (PERCENT, "% of the plan's credits")]
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a share that is not from 1 to 100 percent."""
        number = self.cleaned_data.get("number")
        is_share = self.cleaned_data.get("unit") == self.PERCENT
        if is_share and number is not None and not 1 <= number <= PERCENT_MAX:
            self.add_error("number", f"Enter a share from 1 to {PERCENT_MAX} %.")
        return self.cleaned_data

    @property
    def threshold(self) -> CreditThreshold:
        """What was entered, unsaved."""
        number = self.cleaned_data["number"]
        if self.cleaned_data["unit"] == self.PERCENT:
            return CreditThreshold(percent_of_plan=number)
        return CreditThreshold(credits=number)


class CompanyFields(forms.ModelForm):
    """Whom the account's receipts name as the buyer."""

    def clean_company_name(self) -> str:
        """Give it on one line, without spaces that nobody sees."""
        return " ".join(str(self.cleaned_data["company_name"]).split())

    def clean_company_address(self) -> str:
        """Give it without empty lines."""
        lines = (line.strip() for line in str(self.cleaned_data["company_address"]).splitlines())
        return "\n".join(filter(None, lines))


class CompanyForm(CompanyFields):
    """The same, as the account's own people enter it."""

    class Meta:
        model = Account
        fields = COMPANY_FACTS
        widgets = {
            "company_name": forms.TextInput(attrs={"autocomplete": "organization"}),
            "company_address": forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
            "tax_number": forms.TextInput(attrs={"autocomplete": "off"}),
        }
