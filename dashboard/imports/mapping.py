"""The form that says which column of a file is what: a profile in, a profile out.

Every part of a profile that people may want to change has a field here; what has none is kept as it
was. Whether the parts go together is decided by the profile itself.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django import forms
from django.http import QueryDict

from billing.zones import place_names
from calls.notations.layout import Layout
from calls.sources.mapped.profile import (
    Amount,
    Choice,
    Moment,
    Profile,
    ProfileError,
    Words,
)
from calls.sources.mapped.vocabulary import status_meant, usage_meant
from calls.sources.mapped.words import WordTable
from dashboard.imports.columns import Columns
from dashboard.imports.words import (
    FORM_CHOICES,
    STATUS_WORDS,
    UNIT_CHOICES,
    USAGE_TYPE_WORDS,
    Choices,
)

WORDS_SHOWN_MAX = 40
PREFIX_LENGTH_MAX = 40
CONSTANT_LENGTH_MAX = 100
SKIPS_MORE = 1
NAMING = ("name", "label", "source", "recognise")

NOT_THERE = "– not in the file –"
NO_MORE = "– nothing more –"

MOMENTS: Final = {
    "started_at": ("Start", "When the call began to ring. Needed, unless an answer is told."),
    "connected_at": ("Answer", "When somebody answered; empty where nobody did."),
    "ended_at": ("End", "When the call was over."),
}
AMOUNTS: Final = {
    "talk": ("Talk time", "From the answer to the end, where the file tells its length."),
    "total": ("Whole length", "From the start to the end, ringing included."),
    "waiting": ("Waiting time", "From the start to the answer."),
}
TEXTS: Final = {
    "agent": ("Agent", "Who made or took the call.", "agent"),
    "from": ("From", "The number that called.", "from_number"),
    "to": ("To", "The number that was called.", "to_number"),
    "customer": (
        "Other party",
        "The customer’s number, where the file does not tell who called whom: the direction does.",
        "customer",
    ),
    "own": ("Own number", "Your number in the call, where the file tells it so.", "own"),
    "carrier_id": (
        "Carrier’s ID",
        "The ID that the telephone company gave the call: by it a call that another source reports "
        "too is one call, charged once.",
        "carrier_id",
    ),
    "remarks": ("Remarks", "Anything worth keeping: topic, queue.", "remarks"),
}
# What can be the same for all calls of a file.
CONSTANTS: Final = ("agent", "from", "to", "remarks")


@dataclass(slots=True)
class Row:
    """A row of the form: what it is about, its fields, and what is wrong with it."""

    name: str
    title: str
    about: str
    fields: list[str] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)  # a word, and its field
    more: list[str] = field(default_factory=list)
    # Whether all other fields say more about the column of the first, and nothing without it.
    depends: bool = False
    errors: list[str] = field(default_factory=list)


class MappingForm(forms.Form):
    """Which column is what. If valid, it is `profile`.

    ``profile`` is what the form begins with, None for nothing yet; ``columns`` what the file has.
    """

    profile: Profile

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        columns: Columns,
        layout: Layout,
        profile: Profile | None,
    ) -> None:
        super().__init__(data)
        self.columns = columns
        self._layout = layout
        self._base = profile
        self.rows: list[Row] = []
        self._add_id()
        self._add_choice("usage_type", "Direction", "Which calls were made, which received.")
        self._add_choice("status", "Outcome", "Whether somebody answered. Only then a call costs.")
        for name, (title, about) in MOMENTS.items():
            self._add_moment(name, title, about)
        for name, (title, about) in AMOUNTS.items():
            self._add_amount(name, title, about)
        for name, (title, about, attribute) in TEXTS.items():
            self._add_texts(name, title, about, attribute)
        self._add_rest()

    # ── The fields ────────────────────────────────────────────────────────────────────────────
    def _add_id(self) -> None:
        own = self._base.call_id if self._base else None
        first, more = (own.columns[:1], own.columns[1:]) if own else ((), ())
        row = self._row("call_id", "Call ID", "What makes each call another one than all others.")
        row.fields += [
            self._column("call_id", "Column", first, "– none: made of the whole line –"),
            self._text("prefix", "Put before it", own.prefix if own else "", PREFIX_LENGTH_MAX),
        ]
        self.fields["call_id-more"] = forms.MultipleChoiceField(
            label="Where one column is not enough: columns that together make the ID",
            choices=[(name, name) for name in self.columns.names],
            initial=self._own_names(more),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        row.more.append("call_id-more")

    def _add_choice(self, name: str, title: str, about: str) -> None:
        own: Choice | None = getattr(self._base, name) if self._base else None
        known = USAGE_TYPE_WORDS if name == "usage_type" else STATUS_WORDS
        row = self._row(name, title, about)
        chosen = self._own_names(own.columns) if own else ()
        row.fields.append(self._column(f"{name}-column", "Column", chosen, "– no column tells –"))
        if name == "status":
            told_by = [
                ("", "the words of the column"),
                ("talk", "a talk time above 0"),
                ("connected_at", "a time of answer"),
            ]
            row.fields.append(
                self._choice("status-by", "Answered is told by", told_by, own.by if own else "")
            )
        otherwise = [*known.items(), ("", "– reject the call –")]
        # Of a new mapping nothing is taken for granted: an answer costs, and so does a direction.
        initial = own.otherwise if own else ""
        row.fields.append(self._choice(f"{name}-otherwise", "All others are", otherwise, initial))
        column = self._value(f"{name}-column", chosen[0] if chosen else "")
        usual = usage_meant if name == "usage_type" else status_meant
        told: dict[str, str] = {}
        for word in self.columns.words_of(column)[:WORDS_SHOWN_MAX]:
            key = f"{name}-word-{_key(column, word)}"
            meaning = _meaning(own.words, word) if own and column in chosen else usual(word) or ""
            if self.is_bound and key not in self.data:  # its column was chosen just now
                told[key] = meaning
            self.fields[key] = forms.ChoiceField(
                label=f"“{word}” means",
                choices=[("", "– as the others –"), *known.items()],
                initial=meaning,
                required=False,
            )
            row.words.append((word, key))
        if told:
            data = cast(QueryDict, self.data).copy()
            data.update(told)
            self.data = data

    def _add_moment(self, name: str, title: str, about: str) -> None:
        own: Moment | None = getattr(self._base, name) if self._base else None
        first, second = (own.columns[:1], own.columns[1:2]) if own else ((), ())
        row = self._row(name, title, about)
        row.fields += [
            self._column(f"{name}-column", "Column", first, NOT_THERE),
            self._column(f"{name}-time", "And the time of day from", second, NO_MORE),
            self._choice(f"{name}-form", "Written as", FORM_CHOICES, own.form if own else "iso"),
        ]
        zone_column = (own.zone_column,) if own and own.zone_column else ()
        self.fields[f"{name}-zone"] = forms.CharField(
            label="Time zone, where it is another than the file’s",
            initial=own.zone if own else "",
            required=False,
            max_length=64,
            widget=forms.TextInput(attrs={"list": "zones", "autocomplete": "off"}),
        )
        self.fields[f"{name}-precision"] = forms.BooleanField(
            label="Cut to minutes: the talk time tells the seconds",
            initial=bool(own and own.precision),
            required=False,
        )
        row.depends = True
        row.more += [
            f"{name}-zone",
            self._column(
                f"{name}-zone-column", "Or a column with the zone", zone_column, NOT_THERE
            ),
            f"{name}-precision",
        ]

    def _add_amount(self, name: str, title: str, about: str) -> None:
        own: Amount | None = getattr(self._base, name) if self._base else None
        row = self._row(name, title, about)
        row.depends = True
        row.fields += [
            self._column(f"{name}-column", "Column", (own.column,) if own else (), NOT_THERE),
            self._choice(f"{name}-unit", "In", UNIT_CHOICES, own.unit if own else "s"),
            self._choice(
                f"{name}-decimal",
                "Decimals after a",
                [(".", "point, 1.5"), (",", "comma, 1,5")],
                own.decimal if own else ".",
            ),
        ]

    def _add_texts(self, name: str, title: str, about: str, attribute: str) -> None:
        own: tuple[str, ...] = getattr(self._base, attribute) if self._base else ()
        row = self._row(name, title, about)
        for place in range(max(len(own) + 1, 2) if name == "remarks" else max(len(own), 1)):
            label, nothing = ("Column", NOT_THERE) if not place else ("And", NO_MORE)
            row.fields.append(
                self._column(f"{name}-{place}", label, own[place : place + 1], nothing)
            )
        if name not in CONSTANTS:
            return
        constant = dict(self._base.constants).get(name, "") if self._base else ""
        row.fields.append(
            self._text(f"{name}-set", "Or the same for all calls", constant, CONSTANT_LENGTH_MAX)
        )

    def _add_rest(self) -> None:
        base = self._base
        row = self._row("group", "Parts of a call", "Only if one call can be several lines.")
        group = (base.group,) if base and base.group else ()
        row.fields.append(
            self._column("group", "Lines of one call have the same", group, NOT_THERE)
        )
        row = self._row("skip", "Leave out", "Lines that are no calls to be charged: tests, notes.")
        skips = base.skip if base else ()
        for place in range(len(skips) + SKIPS_MORE):
            own = skips[place] if place < len(skips) else None
            row.fields += [
                self._column(
                    f"skip-{place}-column", "Where", (own.column,) if own else (), "– nothing –"
                ),
                self._text(
                    f"skip-{place}-values",
                    "is one of (with commas)",
                    ", ".join(own.values) if own else "",
                    CONSTANT_LENGTH_MAX,
                ),
            ]
        row = self._row(
            "ignore", "Do not copy", "Columns of which nothing is kept, not even as text."
        )
        self.fields["ignore"] = forms.MultipleChoiceField(
            label="Columns",
            choices=[(name, name) for name in self.columns.names],
            initial=self._own_names(base.ignore) if base else (),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        row.more.append("ignore")

    # ── What they are made of ─────────────────────────────────────────────────────────────────
    def _row(self, name: str, title: str, about: str) -> Row:
        row = Row(name, title, about)
        self.rows.append(row)
        return row

    def _column(self, name: str, label: str, chosen: Sequence[str], nothing: str) -> str:
        chosen = self._own_names(chosen)
        offered = [("", nothing), *self.columns.offered]
        lost = [each for each in chosen if each not in self.columns.names]
        # A saved mapping may name a column that this file does not have.
        offered += [(each, f"{each} (not in this file)") for each in lost]
        return self._choice(name, label, offered, chosen[0] if chosen else "")

    def _own_names(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self.columns.own_name, names))

    def _choice(self, name: str, label: str, offered: Choices, initial: str) -> str:
        self.fields[name] = forms.ChoiceField(
            label=label, choices=offered, initial=initial, required=False
        )
        return name

    def _text(self, name: str, label: str, initial: str, length_max: int) -> str:
        self.fields[name] = forms.CharField(
            label=label,
            initial=initial,
            required=False,
            max_length=length_max,
            strip=False,
            widget=forms.TextInput(attrs={"autocomplete": "off"}),
        )
        return name

    def _value(self, name: str, initial: str) -> str:
        return str(self.data.get(name, "")) if self.is_bound else initial

    # ── The profile ───────────────────────────────────────────────────────────────────────────
    def clean(self) -> dict[str, Any]:
        """Put the profile together, and what is wrong with it beside its row."""
        said = self.cleaned_data
        zones = [name for name in MOMENTS if said.get(f"{name}-zone")]
        for name in zones:
            if said[f"{name}-zone"] not in place_names():
                self._wrong(name, "There is no such time zone. Write it like Asia/Kolkata.")
        if self.errors:
            return said
        try:
            made = Profile.from_json(self._as_json(said))
            base = self._base
            self.profile = base if base is not None and _is_same(made, base) else made
        except ProfileError as error:
            self._wrong(error.field, error.message)
        return said

    def _as_json(self, said: Mapping[str, Any]) -> dict[str, Any]:
        base = _unnamed(self._base.as_json()) if self._base else {}
        own_columns = base.get("columns") or list(self.columns.names)
        data: dict[str, Any] = {
            "columns": [] if self._layout.has_header else own_columns,
            "call_id": {
                "columns": _several(said["call_id"], *said["call_id-more"]),
                "prefix": said["prefix"],
            },
            "usage_type": self._choice_as_json("usage_type", said),
            "status": self._choice_as_json("status", said),
            "revised_at": base.get("revised_at"),
            "group": {"column": said["group"]} if said["group"] else {},
            "ignore": said["ignore"],
        }
        for name in MOMENTS:
            if columns := _several(said[f"{name}-column"], said[f"{name}-time"]):
                zone_column = said[f"{name}-zone-column"]
                otherwise = base.get(name, {}).get("otherwise", [])
                data[name] = {
                    "columns": columns,
                    "otherwise": otherwise,
                    "form": said[f"{name}-form"],
                    "zone": {"column": zone_column} if zone_column else said[f"{name}-zone"],
                    "precision": "minute" if said[f"{name}-precision"] else "",
                }
        for name in AMOUNTS:
            if column := said[f"{name}-column"]:
                data[name] = {
                    "column": column,
                    "unit": said[f"{name}-unit"],
                    "decimal": said[f"{name}-decimal"],
                }
        for name in TEXTS:
            places = [key for key in said if key.rpartition("-")[0] == name and key[-1].isdigit()]
            data[name] = _several(*(said[key] for key in places))
        constants = {name: said[f"{name}-set"].strip() for name in CONSTANTS}
        data["set"] = {name: text for name, text in constants.items() if text}
        data["skip"] = self._skips_as_json(said)
        return data

    def _choice_as_json(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        own: Choice | None = getattr(self._base, name) if self._base else None
        column = said[f"{name}-column"]
        told = {"otherwise": said[f"{name}-otherwise"], "by": said.get(f"{name}-by", "")}
        if not column:
            return told
        row = next(row for row in self.rows if row.name == name)
        shown = {word.casefold(): said[key] for word, key in row.words}
        words: dict[str, list[str]] = {}
        # Words that this file happens not to have are kept for the next one.
        chosen = self._own_names(own.columns) if own else ()
        for ours, theirs in own.words if own and column in chosen else ():
            words[ours] = [each for each in theirs if each.casefold() not in shown]
        kept = tuple((ours, tuple(theirs)) for ours, theirs in words.items())
        for word, key in row.words:
            if said[key] and _meaning(kept, word) != said[key]:
                words.setdefault(said[key], []).append(word)
        columns = chosen if column in chosen else (column,)
        return {**told, "column": list(columns), "words": words}

    def _skips_as_json(self, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = []
        for place in range(len(self.fields)):
            if f"skip-{place}-column" not in said:
                break
            values = [each.strip() for each in said[f"skip-{place}-values"].split(",")]
            if said[f"skip-{place}-column"] and any(values):
                column = said[f"skip-{place}-column"]
                found.append({"column": column, "values": [each for each in values if each]})
        return found

    def _wrong(self, path: str, message: str) -> None:
        """Put ``message`` beside the row that ``path`` of a profile is about."""
        name = path.partition(".")[0]
        row = next((row for row in self.rows if row.name == name), None)
        if row is not None:
            row.errors.append(message)
        self.add_error(None, message if row is None else f"{row.title}: {message}")


def _meaning(words: Words, word: str) -> str:
    """What ``word`` means by ``words``; "" where they do not say."""
    return WordTable(words).meaning(word) or ""


def _unnamed(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The profile without what makes it one that others know."""
    return {key: told for key, told in profile.items() if key not in NAMING}


def _is_same(made: Profile, base: Profile) -> bool:
    """Whether nothing was changed: then it keeps its name, and goes on recognising files."""
    return made.as_json() == _unnamed(base.as_json())


def _several(first: str, *more: str) -> list[str]:
    """The columns that were chosen, each once."""
    return list(dict.fromkeys(each for each in (first, *more) if each))


def _key(column: str, word: str) -> str:
    """Name the field of a word, so that what is sent is not taken for another column's."""
    return hashlib.sha256(f"{column}\0{word}".encode()).hexdigest()[:12]
