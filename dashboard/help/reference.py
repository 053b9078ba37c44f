"""The reference of the API as its page shows it, read from the schema that describes it.

The schema (docs/openapi.yaml) is a file that comes with the product; nothing is loaded from
elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml
from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a shape, or one parameter. ``kind`` is its type in words, with links."""

    name: str
    kind: SafeString
    words: SafeString
    is_required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked for."""

    name: str
    method: str
    path: str
    summary: str
    words: SafeString
    scope: str
    parameters: Sequence[Field]
    body: SafeString
    answer: SafeString


@dataclass(frozen=True, slots=True)
class Group:
    """Operations about one thing."""

    name: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is taken or answered: its fields, or the words it may be."""

    name: str
    words: SafeString
    fields: Sequence[Field]
    choices: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """All that the API takes and answers. It is one: equal to itself, and quickly hashed."""

    groups: Sequence[Group]
    shapes: Sequence[Shape]


@cache
def reference() -> Reference:
    """Read the schema; once, since it comes with the product."""
    schema = yaml.load(settings.API_SCHEMA.read_text(), Loader=yaml.CSafeLoader)
    groups: dict[str, list[Operation]] = {"Calls": []}
    for path, methods in schema["paths"].items():
        for method, operation in sorted(methods.items(), reverse=True):  # POST before GET
            (group,) = operation["tags"]
            groups.setdefault(group, []).append(_operation(method, path, operation))
    shapes = [_shape(name, shape) for name, shape in schema["components"]["schemas"].items()]
    return Reference([Group(name, found) for name, found in groups.items()], shapes)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    ((_, scopes),) = operation["security"][0].items()
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
    return Operation(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=_marked(operation.get("description", "")),
        scope=scopes[0] if scopes else "",
        parameters=[
            Field(
                name=one["name"],
                kind=_kind(one["schema"]),
                words=_marked(one.get("description", "")),
                is_required=one.get("required", False),
            )
            for one in operation.get("parameters", ())
        ],
        body=_kind(body["schema"]) if body else SafeString(),
        answer=_kind(answer),
    )


def _shape(name: str, shape: Mapping[str, Any]) -> Shape:
    required = shape.get("required", ())
    return Shape(
        name=name,
        words=_marked("" if "enum" in shape else shape.get("description", "")),
        fields=[
            Field(field, _kind(one), _marked(one.get("description", "")), field in required)
            for field, one in shape.get("properties", {}).items()
        ],
        choices=[str(one) for one in shape.get("enum", ())],
    )


def _kind(schema: Mapping[str, Any]) -> SafeString:
    """The type of a value in words: "list of Call", "text or null", "integer, 1 to 200"."""
    return format_html_join(" or ", "{}", ((part,) for part in _parts(schema)))


def _parts(schema: Mapping[str, Any]) -> Iterator[SafeString | str]:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        yield format_html('<a href="#shape-{}">{}</a>', name, name)
        return
    for several in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(several, ()):
            yield from _parts(one)
    if "enum" in schema:
        yield format_html_join(", ", "<code>{}</code>", ((one,) for one in schema["enum"]))
        return
    types = schema.get("type", ())
    for one in [types] if isinstance(types, str) else types:
        if one == "array":
            most = f" of at most {schema['maxItems']:,}" if "maxItems" in schema else ""
            yield format_html("list{} × {}", most, _kind(schema["items"]))
        elif one == "string":
            yield _TEXTS.get(schema.get("format", ""), "text")
        elif one == "integer" and {"minimum", "maximum"} <= set(schema):
            yield f"whole number from {schema['minimum']:,} to {schema['maximum']:,}"
        else:
            yield _WORDS.get(one, one)


_TEXTS = {
    "date-time": "time with a time zone",
    "date": "day",
    "uuid": "UUID",
    "uri": "address",
}
_WORDS = {"integer": "whole number", "boolean": "true or false", "object": "object"}


def _marked(text: str) -> SafeString:
    """Words in which what stands between backticks is code."""
    parts = " ".join(text.split()).split("`")
    return format_html_join(
        "",
        "{}",
        (
            (format_html("<code>{}</code>", part) if n % 2 else part,)
            for n, part in enumerate(parts)
        ),
    )
