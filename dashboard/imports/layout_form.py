"""The form that changes what was found out about a file: its format, how it is cut, its zone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.utils.text import capfirst

from billing.models import Account
from billing.zones import place_names
from calls.imports.adjusting import sheets_of
from calls.imports.readings import Reading, reading_of
from calls.models import FileImport
from calls.notations.layout import DELIMITED, JSON, Layout
from calls.sources import Option
from calls.sources.canonical import CanonicalCsv
from calls.sources.mapped.answers import DAY_ORDERS, answered
from calls.sources.mapped.profile import Profile
from calls.sources.registry import SOURCES
from dashboard.imports.formats import chosen_format, format_choices, format_of
from dashboard.imports.words import (
    ENCODING_CHOICES,
    OPTION_LABELS,
    OPTION_WORDS,
    SEPARATORS,
    with_own,
)
from dashboard.imports.words import (
    choices as words_for,
)

SKIPPED_MAX = 100
OPTION = "option-"  # before the name of what a source can be told
OPTION_LENGTH_MAX = 500
DAY_FIRST, MONTH_FIRST = DAY_ORDERS
LAYOUT_FIELDS = ("encoding", "delimiter", "skipped_lines", "has_header", "records_at")


class LayoutForm(forms.Form):
    """How a file is cut and read. If valid, it is `reading`; ``zone`` is the account's own.

    ``sheets`` are those of a workbook, the one that is read first. Where another one is chosen it
    is `sheet`, and nothing else counts.
    """

    reading: Reading
    sheet: str = ""

    def __init__(
        self, data: Any = None, *, reading: Reading, zone: str, sheets: Sequence[str] = ()
    ) -> None:
        super().__init__(data)
        self._begun = reading
        if len(sheets) > 1:
            self.fields["sheet"] = forms.ChoiceField(
                label="Sheet",
                choices=[(name, name) for name in sheets],
                initial=sheets[0],
                required=False,  # whoever does not say it keeps it
            )
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
        self._options = SOURCES[reading.format].options if reading.format in SOURCES else ()
        for option in self._options:
            self._add_option(option, reading.options.get(option.name))
        self._add_encoding(layout)
        if layout.notation == DELIMITED:
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
                help_text="Inside another object: outer.inner",
                initial=layout.records_at,
                required=False,
                max_length=200,
            )
        self.fields["revise"] = forms.BooleanField(
            label="This file is right where it contradicts what is recorded already",
            initial=reading.revise,
            required=False,
        )

    def _add_encoding(self, layout: Layout) -> None:
        """A field for the encoding. What was guessed stays a guess until somebody names one."""
        offered = with_own(ENCODING_CHOICES, layout.encoding)
        if layout.encoding_is_guessed:
            offered = [("", f"A guess: {dict(offered)[layout.encoding]}"), *offered]
        self.fields["encoding"] = forms.ChoiceField(
            label="Characters",
            choices=offered,
            initial="" if layout.encoding_is_guessed else layout.encoding,
            required=not layout.encoding_is_guessed,
        )

    def _add_option(self, option: Option, told: Any) -> None:
        """A field for something that the notation of the source does not say."""
        label = OPTION_LABELS.get(option.name, capfirst(option.help))
        if option.choices:
            choices = [("", "as usual"), *words_for(option.choices, OPTION_WORDS)]
            field: forms.Field = forms.ChoiceField(
                label=label, choices=choices, initial=told or "", required=False
            )
        else:
            values = told if isinstance(told, list | tuple) else [told or ""]
            field = forms.CharField(
                label=label,
                initial=", ".join(values),
                required=False,
                max_length=OPTION_LENGTH_MAX,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        self.fields[f"{OPTION}{option.name}"] = field

    def _told_options(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """What was said about the source, without what is as usual."""
        told: dict[str, Any] = {}
        for option in self._options:
            value = said[f"{OPTION}{option.name}"].strip()
            if option.is_list:
                value = [each.strip() for each in value.split(",") if each.strip()]
            if value:
                told[option.name] = value
        return told

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
        chosen = said.get("sheet", "")
        if chosen and chosen != self.fields["sheet"].initial:
            self.sheet = chosen
            return said
        if self.errors:
            return said
        begun = self._begun
        own: dict[str, Any] = {name: said[name] for name in LAYOUT_FIELDS if name in said}
        if not own["encoding"]:
            own["encoding"] = begun.layout.encoding
        elif begun.layout.encoding_is_guessed:
            own["encoding_is_guessed"] = False
        layout = replace(begun.layout, **own)
        profile = begun.profile
        if "day_order" in said and profile is not None:
            profile = answered(Profile.from_json(profile), "dates", said["day_order"]).as_json()
        begun = replace(begun, options=self._told_options(said))
        if said["format"] != format_of(begun):
            name, profile = chosen_format(said["format"], begun)
            begun = replace(begun, format=name, options={})
        self.reading = replace(
            begun, layout=layout, profile=profile, zone=said["zone"], revise=said["revise"]
        )
        return said


def layout_form_of(
    file_import: FileImport, *, account: Account, data: Any = None
) -> LayoutForm | None:
    """The form for a file; None where nobody can say yet how it is read.

    Of a workbook whose sheet could not be read, another one can be chosen.
    """
    sheets = sheets_of(file_import)
    reading = reading_of(file_import)
    if reading is None and len(sheets) > 1:
        reading = Reading(CanonicalCsv.name)
    if reading is None:
        return None
    return LayoutForm(data, reading=reading, zone=account.time_zone, sheets=sheets)
