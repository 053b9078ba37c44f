"""A date and time that an operator enters, on the clock of a plan (UTC) or of an account."""

from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.zones import local


class InstantField(forms.DateTimeField):
    """A date and time of ``zone``, entered with the browser's own control."""

    widget = UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"})
    default_error_messages = {
        "invalid": "There is no such day or time. Write it like 2026-11-23 14:05."
    }
    zone: tzinfo = UTC

    def in_zone(self, zone: ZoneInfo) -> None:
        """Take and show times of ``zone``, and say so."""
        self.zone = zone
        self.help_text = str(self.help_text).replace("UTC", f"{zone.key} time")

    def to_python(self, value: Any) -> datetime | None:
        """The instant that the wall clock of the zone shows so, if it does, and once."""
        try:
            with timezone.override(self.zone):
                return super().to_python(value)
        except forms.ValidationError as error:
            if error.code != "ambiguous_timezone" or not error.params:
                raise
            time = error.params["datetime"].replace(tzinfo=self.zone)
        # Set back, the clock's second reading has the smaller offset.
        twice = time.utcoffset() > time.replace(fold=1).utcoffset()
        raise forms.ValidationError(
            f"“{self.label}” is {local(time, self.zone)}, "
            + (
                "which comes twice, because the clocks are set back then. "
                if twice
                else "which never comes, because the clocks are set forward then. "
            )
            + "Choose a time an hour earlier or later."
        )

    def prepare_value(self, value: Any) -> Any:
        """Write an instant the way the control reads it."""
        if isinstance(value, datetime):
            return value.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M:%S")
        return value


def instant_field(form: forms.Form) -> InstantField:
    """The field of ``form`` that says from when something is in force."""
    field = form.fields["effective_from"]
    assert isinstance(field, InstantField)
    return field
