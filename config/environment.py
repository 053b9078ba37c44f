"""Reads the environment, and refuses a value that it would have to guess at.

django-environ takes any unknown word for a boolean to mean False, so that ``DEBUG=ture`` or
``SECURE_SSL_REDIRECT=ja`` would switch something off in silence. Here such a value stops the
process and names the variable.
"""

from typing import Any, NoReturn, cast

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
PORT_MAX = 65_535


class Environment(environ.Env):
    """django-environ with strict values; its errors name the variable."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return the variable, cast; an unreadable value raises `ImproperlyConfigured` by name."""
        try:
            return super().get_value(var, *args, **kwargs)
        except (ValueError, TypeError) as error:
            self.refuse(var, str(error))

    def flag(self, var: str, *, default: bool) -> bool:
        """Return a boolean, written as 1/true/yes/on or 0/false/no/off in any case."""
        word = cast(str, self.str(var, default="")).strip().lower()
        if not word:
            return default
        if word in TRUE_WORDS:
            return True
        if word in FALSE_WORDS:
            return False
        self.refuse(var, f"{word!r} is neither true nor false")

    def choice(self, var: str, choices: tuple[str, ...], *, default: str) -> str:
        """Return one of `choices`."""
        word = cast(str, self.str(var, default=default)).strip()
        if word not in choices:
            self.refuse(var, f"{word!r} is not one of {', '.join(choices)}")
        return word

    def number(self, var: str, *, default: int, minimum: int = 0) -> int:
        """Return a whole number of at least `minimum`."""
        number = cast(int, self.int(var, default=default))
        if number < minimum:
            self.refuse(var, f"{number} is less than {minimum}")
        return number

    def port(self, var: str, *, default: int) -> int:
        """Return the number of a TCP port that can be chosen."""
        port = self.number(var, default=default, minimum=1)
        if port > PORT_MAX:
            self.refuse(var, f"{port} is more than {PORT_MAX}")
        return port

    def postgres(self, var: str, url: str) -> dict[str, Any]:
        """Return the settings of the PostgreSQL database that `url`, the value of `var`, names."""
        try:
            database: dict[str, Any] = self.db_url_config(url)
        except ValueError as error:
            self.refuse(var, str(error))
        if database.get("ENGINE") != "django.db.backends.postgresql":
            self.refuse(var, "only postgres:// is supported")
        if not database["NAME"]:
            self.refuse(var, "names no database (postgres://user:password@host:5432/name)")
        return database

    def refuse(self, var: str, reason: str) -> NoReturn:
        """Stop, naming the variable."""
        raise ImproperlyConfigured(f"Environment variable {var}: {reason}")
