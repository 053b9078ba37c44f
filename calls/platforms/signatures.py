"""Signatures of messages: compared in constant time, whatever was sent in their place."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable


def hmac_of(secret: str, message: bytes, algorithm: str = "sha256") -> bytes:
    """Return the HMAC of ``message``."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), message, algorithm).digest()


def is_hex_of(given: str, digest: bytes) -> bool:
    """Whether ``given`` is ``digest`` in hexadecimal."""
    return same(given.strip().lower(), digest.hex())


def is_base64_of(given: str, digest: bytes) -> bool:
    """Whether ``given`` is ``digest`` in base64."""
    return same(given.strip(), base64.b64encode(digest).decode())


def same(given: str, expected: str) -> bool:
    """Compare two texts in a time that tells nothing of where they differ."""
    return hmac.compare_digest(_bytes(given), _bytes(expected))


def is_one_of(given: str, secrets: Iterable[str]) -> bool:
    """Whether ``given`` is one of ``secrets``."""
    return any(same(given, secret) for secret in secrets if secret)


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Return user and password of an Authorization header; None where it has none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = (
            base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


def sha256_hex(body: bytes) -> str:
    """The SHA-256 of ``body`` in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
