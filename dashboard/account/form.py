"""The form that adds a threshold, at which an account is warned that its credits run low."""

from typing import Any

from django import forms

from billing.models import CreditThreshold
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
