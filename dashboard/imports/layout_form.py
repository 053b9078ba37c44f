"""The form that changes what was found out about a file: its format, how it is cut, its zone."""

from dataclasses import replace
from typing import Any

from django import forms

from billing.zones import place_names
from calls.imports.adjusting import DAY_ORDERS, with_day_order
from calls.imports.readings import Reading
from calls.notations.layout import DELIMITED, JSON
from dashboard.imports.formats import chosen_format, format_choices, format_of
from dashboard.imports.words import ENCODINGS, SEPARATORS, with_own

SKIPPED_MAX = 100
DAY_FIRST, MONTH_FIRST = DAY_ORDERS
LAYOUT_FIELDS = ("encoding", "delimiter", "skipped_lines", "has_header", "records_at")


class LayoutForm(forms.Form):
    """How a file is cut and read. If valid, it is `reading`; ``zone`` is the account's own."""

    reading: Reading

    def __init__(self, data: Any = None, *, reading: Reading, zone: str) -> None:
        super().__init__(data)
        self._begun = reading
        self._zone = zone
        layout = reading.layout
        self.fields["format"] = forms.ChoiceField(
            label="What it comes from", choices=format_choices(), initial=format_of(reading)
        )
        self.fields["zone"] = forms.CharField(
            label="Time zone of times that name none",
            initial=reading.zone or zone,
            max_length=64,
            widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
        )
        if self._day_order:
            self.fields["day_order"] = forms.ChoiceField(
                label="Dates",
                choices=[
                    (DAY_FIRST, "Day first: 3/11 is 3 November"),
                    (MONTH_FIRST, "Month first: 3/11 is 11 March"),
                ],
                initial=self._day_order,
            )
        if layout.notation == DELIMITED:
            self.fields["encoding"] = forms.ChoiceField(
                label="Characters",
                choices=with_own(ENCODINGS, layout.encoding),
                initial=layout.encoding,
            )
            self.fields["delimiter"] = forms.ChoiceField(
                label="Between values",
                choices=with_own(SEPARATORS, layout.delimiter),
                initial=layout.delimiter,
            )
            self.fields["skipped_lines"] = forms.IntegerField(
                label="Lines to skip at the top",
                min_value=0,
                max_value=SKIPPED_MAX,
                initial=layout.skipped_lines,
            )
            self.fields["has_header"] = forms.BooleanField(
                label="Then comes a line with the names of the columns",
                initial=layout.has_header,
                required=False,
            )
        if layout.notation == JSON:
            self.fields["records_at"] = forms.CharField(
                label="Name of the list of calls, if it has one",
                initial=layout.records_at,
                required=False,
                max_length=200,
            )
        self.fields["revise"] = forms.BooleanField(
            label="This file is right where it contradicts what is recorded already",
            initial=reading.revise,
            required=False,
        )

    @property
    def _day_order(self) -> str:
        """In which order its dates are written; "" where they say it themselves."""
        started_at = (self._begun.profile or {}).get("started_at") or {}
        form = started_at.get("form", "")
        return form if form in DAY_ORDERS else ""

    def clean_zone(self) -> str:
        """Accept the names of the time zone database only."""
        zone = str(self.cleaned_data["zone"])
        if zone not in place_names():
            raise forms.ValidationError("There is no such time zone. Write it like Asia/Kolkata.")
        return zone

    def clean(self) -> dict[str, Any]:
        """Put the reading together."""
        said = self.cleaned_data
        if self.errors:
            return said
        begun = self._begun
        own = {name: said[name] for name in LAYOUT_FIELDS if name in said}
        layout = replace(begun.layout, **own)
        profile = begun.profile
        if "day_order" in said and profile is not None:
            profile = with_day_order(profile, said["day_order"])
        if said["format"] != format_of(begun):
            chosen, profile = chosen_format(said["format"], begun)
            begun = replace(begun, format=chosen, options={})
        self.reading = replace(
            begun, layout=layout, profile=profile, zone=said["zone"], revise=said["revise"]
        )
        return said

    @property
    def is_cut_anew(self) -> bool:
        """Whether the file is to be cut into other records."""
        return self.reading.layout != self._begun.layout
