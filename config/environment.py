"""Reads the environment with environs, and refuses a value that it would have to guess at.

A value that cannot be used stops the process with one line: which variable, why, what is allowed.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, cast

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvValidationError
from environs import validate as allow

Value = TypeVar("Value")

PORT_MAX = 65_535
# Options that environs passes on to the field, though its types do not say so.
WHOLE_NUMBER: dict[str, Any] = {"error_messages": {"invalid": "{input!r} is no whole number"}}
TRUE_OR_FALSE: dict[str, Any] = {
    "error_messages": {"invalid": "{input!r} is neither true nor false"}
}


def refuse(name: str, reason: str) -> NoReturn:
    """Stop, naming the variable."""
    raise ImproperlyConfigured(f"Environment variable {name}: {reason}")


def one_of(*choices: str) -> Callable[[str], None]:
    """Return what refuses anything but `choices`."""
    return allow.OneOf(choices, error="{input!r} is not one of {choices}")


class Environment(Env):
    """environs, whose errors are Django's and fit on one line."""

    # Under DEBUG, development values stand in for what production has to set.
    debug = False

    def required(
        self, name: str, *, development: str, validate: Callable[[str], None] | None = None
    ) -> str:
        """Return a text that must not be empty; only under DEBUG it has a default."""
        text = self.text(name, development if self.debug else "", validate)
        if not text:
            refuse(name, "must not be empty" if self.debug else "must be set (DEBUG is off)")
        return text

    def text(self, name: str, default: str, validate: Callable[[str], None] | None = None) -> str:
        """Return a text; `validate` raises environs' `ValidationError` with the reason."""
        return self._read(self.str, name, default, validate=validate)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean, written as 1/true/yes/on or 0/false/no/off; the default if empty."""
        if not self.str(name, ""):
            return default
        return self._read(self.bool, name, default, **TRUE_OR_FALSE)

    def number(
        self, name: str, *, default: int, minimum: int = 0, maximum: int | None = None
    ) -> int:
        """Return a whole number between `minimum` and `maximum`."""
        bounds = [allow.Range(min=minimum, error="{input} is less than {min}")]
        if maximum is not None:
            bounds.append(allow.Range(max=maximum, error="{input} is more than {max}"))
        return self._read(self.int, name, default, validate=bounds, **WHOLE_NUMBER)

    def port(self, name: str, *, default: int) -> int:
        """Return the number of a TCP port that can be chosen."""
        return self.number(name, default=default, minimum=1, maximum=PORT_MAX)

    def _read(self, method: Callable[..., Any], name: str, default: Value, **options: Any) -> Value:
        try:
            return cast(Value, method(name, default, **options))
        except EnvValidationError as error:
            refuse(name, str(error.error_messages[0]))  # type: ignore[index]
