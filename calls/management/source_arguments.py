"""Arguments of a command that choose a source of call records and tell it what it has to know.

They are made from the registry, so a new source brings its own.
"""

from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from django.core.management.base import CommandError

from calls.sources import Option
from calls.sources.mapped.profile import FORMS
from calls.sources.registry import SOURCES

DATES = "--dates"
REFUSED = 2  # exit code: nothing was recorded
SUGGESTED_MAX = 5


def add_source_arguments(parser: ArgumentParser) -> None:
    """Add ``--format`` and the options of all sources."""
    known = "; ".join(f"{name}: {source.label}" for name, source in SOURCES.items())
    parser.add_argument("--format", metavar="NAME", help=f"{known} (found out).")
    for option, names in _options().items():
        parser.add_argument(
            option.argument,
            dest=option.name,
            action="append" if option.is_list else "store",
            # Files that are read by a mapping have more ways to write a date.
            choices=FORMS if option.argument == DATES else option.choices,
            metavar=option.metavar,
            help=f"{', '.join(names)}: {option.help}",
        )


def check_format(arguments: Mapping[str, Any]) -> None:
    """Raise CommandError where ``--format`` names no source, or options do not go with it."""
    name = arguments["format"]
    if name is None:
        return
    if name not in SOURCES:
        hint = did_you_mean(name, list(SOURCES)) or f" Known are: {', '.join(SOURCES)}."
        raise CommandError(f"There is no format “{name}”.{hint}", returncode=REFUSED)
    chosen_options(arguments, name)


def chosen_options(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the options that are given to the source ``name``. Raises CommandError where it has
    no such option.
    """
    given = {}
    for option, names in _options().items():
        if not arguments[option.name]:
            continue
        if name not in names:
            if option.argument == DATES:
                continue
            raise CommandError(
                f"{option.argument} goes with --format {' or '.join(names)}, not with {name}.",
                returncode=REFUSED,
            )
        given[option.name] = arguments[option.name]
    return given


def reads_dates(name: str) -> bool:
    """Whether the source ``name`` can be told how its dates are written."""
    return any(option.argument == DATES for option in SOURCES[name].options)


def did_you_mean(name: str, known: list[str]) -> str:
    """The likely names for a wrong one, as a sentence; empty where none is likely."""
    close = get_close_matches(name.lower(), known, n=SUGGESTED_MAX, cutoff=0.4)
    return f" Did you mean: {', '.join(close)}?" if close else ""


def _options() -> dict[Option, list[str]]:
    """The options of all sources, each with the names of those that have it."""
    options = defaultdict(list)
    for name, source in SOURCES.items():
        for option in source.options:
            options[option].append(name)
    return options
