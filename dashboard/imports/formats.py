"""The formats that are known without a question, as pages name them.

Some are sources of their own, some are profiles that the product ships: to people that is the same.
"""

from collections.abc import Mapping
from typing import Any

from calls.imports.readings import MAPPED, Reading
from calls.sources.mapped.profile import Profile
from calls.sources.registry import SOURCES, shipped_profiles
from dashboard.imports.words import Choices

BY_COLUMNS = "Another one: I say which column is what"
PROFILE = "profile:"  # before the name of a profile, where a format is chosen


def known_formats() -> list[str]:
    """What the known formats are called, without their details, in alphabetical order."""
    names = {label.partition(":")[0] for _, label in _known()}
    return sorted(names, key=str.casefold)


def format_choices() -> Choices:
    """Each format with its label; last the one that people describe themselves."""
    return [*sorted(_known(), key=lambda each: each[1].casefold()), (MAPPED, BY_COLUMNS)]


def format_of(reading: Reading) -> str:
    """Which of `format_choices` the reading is."""
    if reading.format != MAPPED or reading.profile is None:
        return reading.format
    name = reading.profile.get("name", "")
    return f"{PROFILE}{name}" if name in shipped_profiles() else MAPPED


def chosen_format(choice: str, reading: Reading) -> tuple[str, Mapping[str, Any] | None]:
    """The source and the profile that ``choice`` means for a file that was read by ``reading``."""
    if choice.startswith(PROFILE):
        return MAPPED, shipped_profiles()[choice.removeprefix(PROFILE)].as_json()
    if choice != MAPPED or reading.profile is None:
        return choice, None
    return MAPPED, own_profile(reading.profile)


def own_profile(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same mapping as one of the account's own, no longer one that the product ships."""
    return {key: told for key, told in profile.items() if key not in ("name", "label", "source")}


def format_label(reading: Reading) -> str:
    """What the format of a file is called; "" where the columns say what it is."""
    choice = format_of(reading)
    return "" if choice == MAPPED else dict(_known()).get(choice, "")


def _known() -> Choices:
    sources = [(name, source.label) for name, source in SOURCES.items() if name != MAPPED]
    return [*sources, *((f"{PROFILE}{name}", _said(each)) for name, each in _shipped())]


def _shipped() -> list[tuple[str, Profile]]:
    return list(shipped_profiles().items())


def _said(profile: Profile) -> str:
    return profile.label or profile.name
