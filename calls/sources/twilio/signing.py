"""How Twilio signs: over the address that it was given, and the form."""

import hashlib
import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from calls.platforms.payloads import Form
from calls.platforms.signatures import is_base64_of


def signed(url: str, form: Form, token: str) -> bytes:
    """Return Twilio's HMAC-SHA1 over ``url`` and the sorted names and values of ``form``."""
    text = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    key, message = (part.encode("utf-8", "surrogatepass") for part in (token, text))
    return hmac.new(key, message, hashlib.sha1).digest()


def is_signed(given: str, *, url: str, form: Form, tokens: Iterable[str]) -> bool:
    """Whether one of ``tokens`` signed it: Twilio may or may not count a port to the address."""
    return any(
        is_base64_of(given, signed(address, form, token))
        for token in tokens
        for address in addresses(url)
    )


def addresses(url: str) -> tuple[str, ...]:
    """``url`` as it is, without its port, and with that of its scheme."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    port = parts.port or (443 if parts.scheme == "https" else 80)
    without = parts._replace(netloc=host).geturl()
    return tuple(dict.fromkeys((url, without, parts._replace(netloc=f"{host}:{port}").geturl())))
