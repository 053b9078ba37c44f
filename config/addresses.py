"""What the addresses among the settings must look like, and what they say.

No reason repeats an address: it may hold a password.
"""

import re
from collections.abc import Callable
from email.utils import parseaddr
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from environs import ValidationError

UNREADABLE = (
    "its host or port cannot be read (special characters of a password are written as"
    " % and two hexadecimal digits)"
)
MAIL_BACKENDS = {
    "smtp": "smtp",
    "smtps": "smtp",
    "smtp+tls": "smtp",
    "smtp+ssl": "smtp",
    "consolemail": "console",
    "filemail": "filebased",
    "memorymail": "locmem",
    "dummymail": "dummy",
}


def names(text: str) -> list[str]:
    """Return the names of a list with commas between them, without blanks and empty ones."""
    return [name.strip() for name in text.split(",") if name.strip()]


def hosts(text: str) -> None:
    """Refuse a list without any host name."""
    if not names(text):
        raise ValidationError("names no host")


def mailbox(text: str) -> None:
    """Refuse what is neither ``user@host`` nor ``Name <user@host>``."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", parseaddr(text)[1]):
        raise ValidationError(f"{text!r} is no e-mail address (Name <user@host>)")


def up_to(length_max: int) -> Callable[[str], None]:
    """Return what refuses a text of more than ``length_max`` characters."""

    def check(text: str) -> None:
        if len(text) > length_max:
            raise ValidationError(f"has {len(text)} characters; at most {length_max} are allowed")

    return check


def contact(text: str) -> None:
    """Refuse what is neither ``user@host`` nor the address of a page."""
    if "://" in text:
        site(text)
    elif not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", text):
        raise ValidationError(f"{text!r} is neither user@host nor https://…")


def site(url: str) -> None:
    """Refuse what is not the address of a site."""
    _named_host(_parts(url, "http", "https"))


def bases_by_name(text: str) -> None:
    """Refuse what is no list of names, each with the address of a site: ``name=https://…``."""
    for pair in names(text):
        name, equals, url = pair.partition("=")
        if not equals or not name.strip():
            raise ValidationError("is no list of name=https://…")
        site(url.strip())


def by_name(text: str) -> dict[str, str]:
    """Return the addresses of a list that `bases_by_name` accepts, by their names."""
    pairs = (pair.partition("=") for pair in names(text))
    return {name.strip(): url.strip().rstrip("/") for name, _, url in pairs}


def postgres(url: str) -> None:
    """Refuse what does not name a PostgreSQL database."""
    name = _parts(url, "postgres", "postgresql").path.removeprefix("/")
    if not name:
        raise ValidationError("names no database (postgres://user:password@host:5432/name)")
    if "/" in name:
        raise ValidationError("a socket's directory is its host: postgres://user@%2Frun%2Fpg/name")


def redis(url: str) -> None:
    """Refuse what does not name a Redis server."""
    parts = _parts(url, "redis", "rediss")
    _named_host(parts)
    if not re.fullmatch(r"/?\d*", parts.path):
        raise ValidationError("its database is no number (redis://:password@host:6379/0)")


def mail(url: str) -> None:
    """Refuse what does not name a way to send mails."""
    parts = _parts(url, *MAIL_BACKENDS)
    if MAIL_BACKENDS[parts.scheme] == "smtp":
        _named_host(parts)


def mail_settings(url: str) -> dict[str, Any]:
    """Return Django's settings for an address that `mail` accepts."""
    parts = urlsplit(url)
    return {
        "EMAIL_BACKEND": f"django.core.mail.backends.{MAIL_BACKENDS[parts.scheme]}.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port,
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme in ("smtps", "smtp+tls"),
        "EMAIL_USE_SSL": parts.scheme == "smtp+ssl",
        "EMAIL_FILE_PATH": unquote(parts.path.removeprefix("/")),
    }


def _parts(url: str, *schemes: str) -> SplitResult:
    """Return the parts of an address that begins with one of `schemes`."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in schemes:
        raise ValidationError(f"begins with none of {', '.join(f'{one}://' for one in schemes)}")
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        raise ValidationError(UNREADABLE) from None
    return parts


def _named_host(parts: SplitResult) -> None:
    if not parts.hostname or re.search(r"\s", parts.hostname):
        raise ValidationError("names no host")
