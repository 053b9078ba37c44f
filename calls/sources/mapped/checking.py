"""Checks of what was parsed from JSON: each names the path of what is wrong."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from billing.refusals import Refusal

COLUMNS_MAX: Final = 1_000
TEXT_MAX: Final = 500  # of any single text in a profile


class ProfileError(Refusal):
    """A profile can't be used; ``field`` is the path of what is wrong in it."""


def object_of(path: str, data: object, known: Iterable[str] | None) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ProfileError("This must be an object of JSON: {…}.", field=path)
    for key in data:
        inner = f"{path}.{key}".lstrip(".")
        if not isinstance(key, str):
            raise ProfileError("A name must be a text.", field=inner)
        if known is not None and key not in known:
            raise ProfileError(
                f"“{key[:40]}” is not known here; known are: {', '.join(known)}.", field=inner
            )
    return data


def text_of(path: str, data: object) -> str:
    if not isinstance(data, str):
        raise ProfileError("This must be a text.", field=path)
    if len(data) > TEXT_MAX:
        raise ProfileError(f"This is longer than {TEXT_MAX} characters.", field=path)
    return data


def texts_of(path: str, data: object) -> tuple[str, ...]:
    """Take a list of texts, or a single one in place of a list with one."""
    if isinstance(data, str):
        data = [data] if data else []
    if not isinstance(data, list | tuple):
        raise ProfileError("This must be a list of texts.", field=path)
    if len(data) > COLUMNS_MAX:
        raise ProfileError(f"These are more than {COLUMNS_MAX:,}.", field=path)
    return tuple(text_of(path, one) for one in data)


def one_of(path: str, data: object, known: Iterable[str]) -> str:
    known = tuple(known)
    text = text_of(path, data)
    if text not in known:
        allowed = ", ".join(one for one in known if one)
        raise ProfileError(f"“{text[:40]}” is not known; it is one of: {allowed}.", field=path)
    return text


def without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in ("", None, [], {})}
