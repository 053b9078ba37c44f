"""The formats that are known without a question, as pages name them."""

from calls.imports.readings import MAPPED
from calls.sources.registry import SOURCES
from dashboard.imports.words import Choices

BY_COLUMNS = "Another one: I say which column is what"


def known_formats() -> list[str]:
    """What the known formats are called, in alphabetical order."""
    return sorted(source.label for name, source in SOURCES.items() if name != MAPPED)


def format_choices() -> Choices:
    """Each format with its label; last the one that people describe themselves."""
    known = [(name, source.label) for name, source in SOURCES.items() if name != MAPPED]
    return [*sorted(known, key=lambda each: each[1].lower()), (MAPPED, BY_COLUMNS)]


def format_label(name: str) -> str:
    """What a format is called."""
    return dict(format_choices()).get(name, "")
