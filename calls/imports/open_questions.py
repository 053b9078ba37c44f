"""Which questions about a file stay open when somebody changes how it is read.

Only a change of what is asked about is an answer. A form that shows what was proposed, and is sent
as it is, answers nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.refusals import Refusal
from calls.imports.readings import MAPPED, Reading
from calls.models import FileImport
from calls.sources.mapped.answers import DAY_ORDERS, LENGTHS, MEANINGS, TIMES
from calls.sources.mapped.profile import Choice, Profile
from calls.sources.mapped.words import WordTable


def require_answers(file_import: FileImport) -> None:
    """Raise Refusal where the file leaves something open that nobody has answered."""
    if file_import.examined.get("questions"):
        raise Refusal(
            "The file does not tell everything, and nothing is guessed. Answer the questions on "
            "the page of this import first."
        )


def still_open(asked: Sequence[Any], before: Reading, after: Reading) -> list[Any]:
    """Those of the questions ``asked``, as they are stored, that the change does not answer."""
    return [question for question in asked if _is_open(question[0], before, after)]


def _is_open(topic: str, before: Reading, after: Reading) -> bool:
    if topic == "zone":
        return before.zone == after.zone and _zones(before) == _zones(after)
    if before.format != after.format:
        return False
    if after.format != MAPPED:
        return bool(before.options.get(topic) == after.options.get(topic))
    if before.profile is None or after.profile is None:
        return False
    old, new = Profile.from_json(before.profile), Profile.from_json(after.profile)
    field, _, word = topic.partition(":")
    if field == "dates":
        return bool(_dates(old) & _dates(new))
    if field == "unit" and word in LENGTHS:
        return getattr(new, word) is not None and getattr(old, word) == getattr(new, word)
    if field not in MEANINGS:
        return False
    chosen: Choice = getattr(new, field)
    own: Choice = getattr(old, field)
    if not word:
        return own == chosen
    is_known = WordTable(chosen.words).meaning(word) is not None
    return not is_known and (own.columns, own.otherwise) == (chosen.columns, chosen.otherwise)


def _zones(reading: Reading) -> Mapping[str, object]:
    profile = reading.profile or {}
    return {name: (profile.get(name) or {}).get("zone", "") for name in TIMES}


def _dates(profile: Profile) -> set[tuple[tuple[str, ...], str]]:
    """The columns in which day or month may come first, each with what does."""
    moments = [moment for name in TIMES if (moment := getattr(profile, name)) is not None]
    return {(moment.columns, moment.form) for moment in moments if moment.form in DAY_ORDERS}
