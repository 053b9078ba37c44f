"""The form that makes an API key: its name, what it may do, and until when."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms

from billing.models import Scope
from billing.models.api_key import NAME_LENGTH_MAX
from calls.usage.periods import DAY, day_starts_at

RECORDING = (Scope.CALLS_WRITE, Scope.CALLS_READ)  # what most programs need


class KeyForm(forms.Form):
    """A key to make. ``offered`` are the scopes that the person may give."""

    form_key = forms.UUIDField(widget=forms.HiddenInput)
    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Name it after the program that uses it.",
            "max_length": f"Use at most {NAME_LENGTH_MAX} characters.",
        },
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one thing that the key may do.",
            "invalid_choice": "Nobody can give what they may not do themselves.",
        },
    )
    last_day = forms.DateField(
        label="Last day (optional)",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": "Write the day like 2027-01-31."},
    )

    def __init__(self, *args: Any, offered: list[Scope], zone: ZoneInfo, **options: Any) -> None:
        super().__init__(*args, **options)
        self._zone = zone
        self.fields["scopes"].choices = [  # type: ignore[attr-defined]
            (scope.value, scope.label) for scope in offered
        ]

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day in the account's zone; None where none is named."""
        last_day = self.cleaned_data.get("last_day")
        if last_day is None or last_day.year >= 9999:
            return None
        return day_starts_at(last_day + DAY, self._zone)


class RotationForm(forms.Form):
    """When the old key ends that a new one replaces."""

    AT_ONCE, LATER = "at_once", "later"

    form_key = forms.UUIDField()
    old_ends = forms.ChoiceField(choices=[(LATER, "After 24 hours"), (AT_ONCE, "At once")])
