"""Reads the environment, and refuses a value that it would have to guess at.

django-environ takes any unknown word for a boolean to mean False, so that ``DEBUG=ture`` or
``SECURE_SSL_REDIRECT=ja`` would switch something off in silence. Here such a value stops the
process and names the variable. So does an address that only fails when it is used first.

No reason repeats an address: it may hold a password.
"""

import re
from email.utils import parseaddr
from typing import Any, NoReturn, cast
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
PORT_MAX = 65_535
UNREADABLE = (
    "its host or port cannot be read (special characters of a password are written as"
    " % and two hexadecimal digits)"
)


class Environment(environ.Env):
    """django-environ with strict values; its errors name the variable."""

    def __init__(self) -> None:
        super().__init__()
        # The variables that were asked for, set or not: what depends on the environment.
        self.asked: set[str] = set()

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return the variable, cast; an unreadable value raises `ImproperlyConfigured` by name."""
        self.asked.add(var)
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
        word = cast(str, self.str(var, default=str(default)))
        try:
            number = int(word)
        except ValueError:
            self.refuse(var, f"{word!r} is no whole number")
        if number < minimum:
            self.refuse(var, f"{number} is less than {minimum}")
        return number

    def port(self, var: str, *, default: int) -> int:
        """Return the number of a TCP port that can be chosen."""
        port = self.number(var, default=default, minimum=1)
        if port > PORT_MAX:
            self.refuse(var, f"{port} is more than {PORT_MAX}")
        return port

    def names(self, var: str, *, default: list[str]) -> list[str]:
        """Return the names of a list with commas between them, without blanks and empty ones."""
        names = (name.strip() for name in self.list(var, default=default))
        return [name for name in names if name]

    def mailbox(self, var: str, *, default: str) -> str:
        """Return whom mails come from: ``user@host`` or ``Name <user@host>``."""
        value = cast(str, self.str(var, default=default)).strip()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(value)[1]):
            self.refuse(var, f"{value!r} is no e-mail address (Name <user@host>)")
        return value

    def site(self, var: str, *, default: str) -> str:
        """Return the address of a site, without a slash at its end; empty only by default."""
        url = cast(str, self.str(var, default=default)).strip()
        if url or default:
            self._address(var, url, ("http", "https"))
        return url.rstrip("/")

    def postgres(self, var: str, url: str) -> dict[str, Any]:
        """Return the settings of the PostgreSQL database that `url`, the value of `var`, names."""
        self._scheme(var, url, ("postgres", "postgresql"))
        try:
            database: dict[str, Any] = self.db_url_config(url)
        except ValueError:
            self.refuse(var, UNREADABLE)
        if not database["NAME"]:
            self.refuse(var, "names no database (postgres://user:password@host:5432/name)")
        return database

    def redis(self, var: str, url: str) -> str:
        """Return `url`, the value of `var`, if it names a Redis server."""
        if not re.fullmatch(r"/?\d*", self._address(var, url, ("redis", "rediss")).path):
            self.refuse(var, "its database is no number (redis://:password@host:6379/0)")
        return url

    def mail(self, var: str, url: str) -> dict[str, Any]:
        """Return the settings of the way to send mails that `url`, the value of `var`, names."""
        if self._scheme(var, url, tuple(self.EMAIL_SCHEMES)).startswith("smtp"):
            self._address(var, url, tuple(self.EMAIL_SCHEMES))
        settings: dict[str, Any] = self.email_url_config(url)
        return settings

    def _scheme(self, var: str, url: str, schemes: tuple[str, ...]) -> str:
        """Return with which of `schemes` the address begins."""
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in schemes:
            self.refuse(var, f"begins with none of {', '.join(f'{one}://' for one in schemes)}")
        return scheme

    def _address(self, var: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
        """Return the parts of an address that begins with one of `schemes` and names a host."""
        self._scheme(var, url, schemes)
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            self.refuse(var, UNREADABLE)
        if not host or re.search(r"\s", host):
            self.refuse(var, "names no host")
        return parts

    def refuse(self, var: str, reason: str) -> NoReturn:
        """Stop, naming the variable."""
        raise ImproperlyConfigured(f"Environment variable {var}: {reason}")
