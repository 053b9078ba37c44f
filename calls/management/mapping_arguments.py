"""Arguments of a command that say which column of a file is what: a profile, and changes to it."""

import copy
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import CommandError

from billing.models import Account
from billing.refusals import Refusal
from billing.zones import is_known
from calls.imports.profiles import profiles_of, read_profile
from calls.management.source_arguments import REFUSED, did_you_mean
from calls.sources.mapped.profile import UNITS
from calls.sources.registry import shipped_profiles

TIMES = ("started_at", "connected_at", "ended_at", "revised_at")
CHOICES = ("usage_type", "status")
AMOUNTS = ("total", "talk", "waiting")
TEXTS = ("agent", "from", "to", "remarks")
MAPPABLE = ("call_id", "group", "carrier_id", *CHOICES, *TIMES, *AMOUNTS, *TEXTS)
CONSTANT = (*CHOICES, *TEXTS)


class NamedProfile(NamedTuple):
    """A profile, with the zone that was kept with it; empty where none was that is known."""

    profile: Mapping[str, Any]
    zone: str


def add_mapping_arguments(parser: ArgumentParser) -> None:
    """Add ``--profile``, ``--map`` and ``--set``; ``--dates`` comes with the sources."""
    parser.add_argument(
        "--profile",
        metavar="FILE|NAME",
        help="Which column is what: a file of JSON, or the name of a mapping.",
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help=f"A field and its column; several (date and time) separated by +. Fields: "
        f"{', '.join(MAPPABLE)}.",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=f"What a field is in all calls. Fields: {', '.join(CONSTANT)}.",
    )
    parser.add_argument(
        "--unit",
        action="append",
        default=[],
        metavar="FIELD=UNIT",
        help=f"The unit of a length ({', '.join(AMOUNTS)}): {', '.join(UNITS)} (found out where "
        "the file shows it).",
    )


def names_a_mapping(options: Mapping[str, Any]) -> bool:
    """Whether the arguments say which column is what."""
    return any(options[name] for name in ("profile", "map", "set", "unit"))


def mapping_of(options: Mapping[str, Any], begun: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the profile that the arguments make of the one ``begun`` with. Raises CommandError."""
    profile = copy.deepcopy(dict(begun or {}))
    for field, value in _pairs("--map", options["map"], MAPPABLE):
        _map(profile, field, [column.strip() for column in value.split("+")])
    for field, value in _pairs("--set", options["set"], CONSTANT):
        if field in CHOICES:
            profile[field] = {"otherwise": value}
        else:
            profile.pop(field, None)
            profile.setdefault("set", {})[field] = value
    for field, unit in _pairs("--unit", options["unit"], AMOUNTS):
        if unit not in UNITS:
            hint = did_you_mean(unit, list(UNITS)) or f" Known are: {', '.join(UNITS)}."
            raise CommandError(f"--unit: there is no unit “{unit}”.{hint}", returncode=REFUSED)
        if field not in profile:
            raise CommandError(
                f"--unit {field}={unit}: no column is named for it. --map {field}=COLUMN does.",
                returncode=REFUSED,
            )
        profile[field] = {**profile[field], "unit": unit}
    if options["dates"]:
        for field in TIMES:
            if field in profile:
                profile[field]["form"] = options["dates"]
    return profile


def named_profile(options: Mapping[str, Any], account: Account) -> NamedProfile | None:
    """The profile that the arguments name; None where they name none. Raises CommandError."""
    if not options["profile"]:
        return None
    named = _named(options["profile"], account)
    return named if is_known(named.zone) else named._replace(zone="")


def lengths_without_unit(options: Mapping[str, Any]) -> set[str]:
    """The lengths whose unit nobody has said: neither ``--unit`` nor a profile that was named."""
    told = {field for field, _ in _pairs("--unit", options["unit"], AMOUNTS)}
    mapped = {field for field, _ in _pairs("--map", options["map"], MAPPABLE)}
    return {field for field in AMOUNTS if field in mapped or not options["profile"]} - told


def mapped_choices(options: Mapping[str, Any]) -> list[str]:
    """The fields with words for which ``--map`` names a column."""
    return [field for field, _ in _pairs("--map", options["map"], MAPPABLE) if field in CHOICES]


def _map(profile: dict[str, Any], field: str, columns: list[str]) -> None:
    if field == "call_id" or field in TIMES:
        profile[field] = {**profile.get(field, {}), "columns": columns}
    elif field in TEXTS or field == "carrier_id":
        profile[field] = columns
    else:  # one column
        profile[field] = {**profile.get(field, {}), "column": columns[0]}


def _named(name: str, account: Account) -> NamedProfile:
    own = {kept.name: NamedProfile(kept.profile, kept.zone) for kept in profiles_of(account)}
    if name in own:
        return own[name]
    shipped = shipped_profiles()
    if name in shipped:
        return NamedProfile(shipped[name].as_json(), "")
    path = Path(name)
    if path.is_file():
        try:
            told = read_profile(path.read_bytes())
        except Refusal as refusal:
            raise CommandError(f"{name}: {refusal.message}", returncode=REFUSED) from None
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.", returncode=REFUSED) from None
        inner = told.get("profile")
        if not isinstance(inner, Mapping):
            return NamedProfile(told, "")
        return NamedProfile(inner, str(told.get("zone") or ""))
    hint = did_you_mean(name, [*own, *shipped])
    raise CommandError(f"There is neither a file nor a mapping “{name}”.{hint}", returncode=REFUSED)


def _pairs(argument: str, given: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    pairs = []
    for one in given:
        field, separator, value = one.partition("=")
        field = field.strip()
        if not separator or not value.strip():
            raise CommandError(
                f"{argument} {one}: write it as FIELD=…, such as started_at=Date.",
                returncode=REFUSED,
            )
        if field not in known:
            hint = did_you_mean(field, list(known)) or f" Known are: {', '.join(known)}."
            raise CommandError(
                f"{argument}: there is no field “{field}”.{hint}", returncode=REFUSED
            )
        pairs.append((field, value.strip()))
    return pairs
