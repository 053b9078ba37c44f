"""What an API key looks like: ``ccl_live_``, 30 random characters, and a checksum of 6. Pure.

The checksum lets whatever is no key of ours be refused without asking the database, and lets those
who scan texts for secrets be sure. 30 characters of 62 are 178 random bits, so a plain SHA-256
keeps them: nobody can try them all.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "ccl_live_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
SHOWN_LENGTH = 4

_FORMAT = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}", re.ASCII)


def new_key() -> str:
    """Return a key that nobody has."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + _checksum(body)


def is_well_formed(key: str) -> bool:
    """Whether ``key`` may be one of ours: its form and its checksum are right."""
    if not _FORMAT.fullmatch(key):
        return False
    return _checksum(key[:-CHECKSUM_LENGTH]) == key[-CHECKSUM_LENGTH:]


def digest_of(key: str) -> str:
    """Return what is stored of ``key``."""
    return hashlib.sha256(key.encode()).hexdigest()


def beginning_of(key: str) -> str:
    """The part at its beginning that people may see."""
    return key[: len(PREFIX) + SHOWN_LENGTH]


def ending_of(key: str) -> str:
    """The part at its end that people may see."""
    return key[-SHOWN_LENGTH:]


def _checksum(body: str) -> str:
    """CRC-32 of ``body``, in base 62."""
    rest = zlib.crc32(body.encode())
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
