"""Every address of the site, read from the URLconf, so that a new page is attacked by itself.

A new parameter of an address needs an example in `world.examples`: without one, building the list
fails and says which.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.urls import URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

PARAMETER = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")
GROUP = re.compile(r"\(\?P<(\w+)>")
# Answered by middleware, before any address is resolved, or by files.
WITHOUT_PATTERN = ["/health/", "/health/live/", "/static/css/base.css", "/no/such/page/"]


@dataclass(frozen=True, slots=True)
class Address:
    """One address: its path, and where in it the parameters are."""

    path: str
    pattern: str
    arguments: tuple[str, ...]

    @property
    def is_of_operators(self) -> bool:
        """Whether it is one of the admin's."""
        return self.path.startswith("/admin/")

    @property
    def deletes(self) -> bool:
        """Whether a form that is sent there deletes a record."""
        return self.path.endswith("/delete/")

    def with_argument(self, number: int, value: str) -> str:
        """The path with another value, already quoted, in place of its parameter ``number``."""
        given = self.arguments[number]
        before, found, after = self.path.partition(f"/{given}/")
        return f"{before}/{value}/{after}" if found else self.path.replace(given, value)


def every_address(examples: Mapping[str, str]) -> list[Address]:
    """All addresses, each once, with the arguments of ``examples``."""
    found: dict[str, Address] = {}
    for pattern in _patterns(get_resolver().url_patterns, ""):
        path, arguments = _filled(pattern, examples)
        found.setdefault(path, Address(path, pattern, arguments))
    for path in WITHOUT_PATTERN:
        found.setdefault(path, Address(path, path, ()))
    return list(found.values())


def _patterns(patterns: Iterable[Any], before: str) -> Iterator[str]:
    for pattern in patterns:
        text = str(pattern.pattern)
        if isinstance(pattern.pattern, RegexPattern):
            text = f"[{','.join(GROUP.findall(text)) or text}]"
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, before + text)
        else:
            yield before + text


def _filled(pattern: str, examples: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The path of ``pattern``. Raises LookupError for a parameter that nothing is known of."""
    arguments = []

    def fill(found: re.Match[str]) -> str:
        name = f"{pattern[: found.start()].rstrip('/').rpartition('/')[2]}/{found['name']}"
        if name not in examples:
            raise LookupError(
                f"{pattern} has a parameter that is new: give an example of “{name}” in "
                "tests/hostile/world.py"
            )
        arguments.append(quote(examples[name], safe=""))
        return arguments[-1]

    path = PARAMETER.sub(fill, pattern)
    for group in re.findall(r"\[.+?\]", path):
        if group not in examples:
            raise LookupError(f"{pattern} is new: give an example of “{group}” in world.py")
        path = path.replace(group, examples[group])
    return f"/{path}", tuple(arguments)


def admin_examples() -> dict[str, str]:
    """A record of each model that operators see; one that there is not, where there is none."""
    examples = {}
    for model in admin.site._registry:
        newest = model._default_manager.order_by("pk").last()
        examples[f"{model._meta.model_name}/object_id"] = str(newest.pk if newest else 1)
    return examples
