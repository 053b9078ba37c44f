"""The form above the page: period and filters, read from the address."""

from datetime import date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.functional import cached_property

from billing.models import Kind
from billing.models.ledger import AGENT_LENGTH_MAX, CALL_ID_LENGTH_MAX, USAGE_TYPES
from calls.models import FileImport
from calls.usage.filters import NO_AGENT, NO_AGENT_WORDS, UsageFilters, agent_in_words
from calls.usage.periods import LABELS, SAID_MAX, Period, Preset, choose_period

NO_SUCH_IMPORT = "This import does not exist, so the calls of all are shown."


def _unknown(thing: str, shown: str) -> dict[str, str]:
    """What a choice says of a value that is none of its own."""
    return {"invalid_choice": f"The {thing} “%(value).{SAID_MAX}s” does not exist, so {shown}."}


def _unreadable(thing: str, length_max: int, shown: str) -> dict[str, str]:
    """What a text says of a value that can't be looked for."""
    return {
        "max_length": f"{thing} has at most {length_max} characters, so {shown}.",
        "null_characters_not_allowed": f"{thing} has no null characters, so {shown}.",
    }


def _day_field(label: str) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, widget=forms.DateInput(attrs={"type": "date"})
    )


class UsageForm(forms.Form):
    """What the address asks for: `chosen_period` and `usage_filters`, whatever it says.

    What can't be read is left out (of a period: replaced by the default), with a message that
    names its field and says what is shown instead. ``cycle`` is the current billing cycle (start,
    end), None without a plan. ``imports`` are those of the account: one may be asked for by its
    public ID, and is then the `shown_import`.
    """

    # The choice of calls that name no agent.
    no_agent: ClassVar = {"value": NO_AGENT, "name": NO_AGENT_WORDS}

    period = forms.ChoiceField(
        choices=[(preset.value, label) for preset, label in LABELS.items()], required=False
    )
    usage_type = forms.ChoiceField(
        label="Usage type",
        choices=[("", "All types"), *USAGE_TYPES],
        required=False,
        error_messages=_unknown("usage type", "all types are shown"),
    )
    kind = forms.ChoiceField(
        label="Kind of row",
        choices=[("", "All rows"), *Kind.choices],
        required=False,
        error_messages=_unknown("kind of row", "all rows are shown"),
    )
    agent = forms.CharField(
        max_length=AGENT_LENGTH_MAX,
        strip=False,  # see clean_agent
        required=False,
        error_messages=_unreadable("An agent’s name", AGENT_LENGTH_MAX, "all agents are shown"),
    )
    call_id = forms.CharField(
        label="Call ID or its beginning",
        max_length=CALL_ID_LENGTH_MAX,
        required=False,
        error_messages=_unreadable("A call ID", CALL_ID_LENGTH_MAX, "none is searched for"),
    )

    def __init__(
        self,
        query: QueryDict,
        *,
        today: date,
        zone: ZoneInfo,
        cycle: tuple[datetime, datetime] | None,
        imports: QuerySet[FileImport],
    ) -> None:
        self._imports = imports
        self._query = query
        self.shown_import: FileImport | None = None
        first, last = query.get("from", ""), query.get("to", "")
        self._chosen = choose_period(
            preset=query.get("period", ""),
            first=first,
            last=last,
            today=today,
            zone=zone,
            cycle=cycle,
        )
        shown: dict[str, Any] = {name: query.get(name, "") for name in self.base_fields}
        if not self._chosen.errors:
            shown |= {
                "period": self.chosen_period.preset.value,
                "from": self.chosen_period.first_day.isoformat(),
                "to": self.chosen_period.last_day.isoformat(),
            }
        super().__init__(shown)

    def clean_agent(self) -> str:
        """Take the blanks around a name away, which make out `NO_AGENT`."""
        agent: str = self.cleaned_data["agent"]
        return agent if agent == NO_AGENT else agent.strip()

    def clean(self) -> dict[str, Any]:
        """Put what is wrong with the period beside its fields."""
        for field, message in self._chosen.errors.items():
            self.errors.pop(field, None)
            self.add_error(field, message)
        if public_id := self.cleaned_data.get("import"):
            self.shown_import = self._imports.filter(public_id=public_id).first()
            if self.shown_import is None:
                self.add_error("import", NO_SUCH_IMPORT)
        return self.cleaned_data

    @property
    def chosen_period(self) -> Period:
        """The period to show."""
        return self._chosen.period

    @cached_property
    def usage_filters(self) -> UsageFilters:
        """The filters that could be read."""
        self.full_clean()
        read = {
            name: self.cleaned_data.get(name, "")
            for name in ("usage_type", "kind", "agent", "call_id")
        }
        import_id = None if self.shown_import is None else self.shown_import.pk
        return UsageFilters(**read, import_id=import_id)

    @property
    def presets(self) -> list[tuple[Preset, str, str]]:
        """The periods that are offered, with their names and the parameters that choose each."""
        kept = self._query.copy()
        for name in ("period", "from", "to", "page", "as_of"):
            kept.pop(name, None)
        others = f"&{kept.urlencode()}" if kept else ""
        return [
            (preset, label, f"?period={preset}{others}")
            for preset, label in LABELS.items()
            if preset is not Preset.CUSTOM
        ]

    @property
    def kept_with_days(self) -> list[tuple[str, str]]:
        """The parameters, with their values, that the form of the days must not lose."""
        return self._kept("usage_type", "kind", "agent", "call_id", "import", "view", "sort")

    @property
    def kept_with_filters(self) -> list[tuple[str, str]]:
        """The parameters, with their values, that the form of the filters must not lose."""
        return self._kept("period", "from", "to", "import", "view", "sort")

    def _kept(self, *names: str) -> list[tuple[str, str]]:
        return [(name, value) for name in names if (value := self._query.get(name))]

    @cached_property
    def narrowed_to(self) -> list[str]:
        """What the filters leave, in words: "Usage type: Outbound"."""
        said = []
        if self.usage_filters.import_id is not None and self.shown_import is not None:
            said.append(f"Import: {self.shown_import.file_name}")
        for name, value in self.usage_filters.texts.items():
            field = self.fields[name]
            if value and isinstance(field, forms.ChoiceField):
                value = dict(field.widget.choices)[value]
            if value and name == "agent":
                said.append(agent_in_words(value))
            elif value:
                said.append(f"{self[name].label}: {value}")
        return said


# Named after the parameters, which Python's grammar does not allow for attributes.
UsageForm.base_fields |= {
    "from": _day_field("First day"),
    "to": _day_field("Last day"),
    "import": forms.UUIDField(
        label="Import", required=False, error_messages={"invalid": NO_SUCH_IMPORT}
    ),
}
