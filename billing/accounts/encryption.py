"""Encrypts what must not be readable in a copy of the database, such as seeds of second steps.

The keys are FIELD_ENCRYPTION_KEYS: the first encrypts, all of them decrypt. A backup without them
holds seeds that nobody can read.
"""

import base64
import hashlib
import logging
from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction

MARK = "fernet:"  # begins what is encrypted: what was stored before is plain
SECRETS = ("secret", "seed")

logger = logging.getLogger(__name__)


def encrypt(text: str) -> str:
    """Return ``text`` as only the keys can read it."""
    return MARK + _keys().encrypt(text.encode()).decode()


def decrypt(stored: str) -> str | None:
    """Return what `encrypt` was given; None where no key fits. What is plain is returned as is."""
    if not stored.startswith(MARK):
        return stored
    try:
        return _keys().decrypt(stored.removeprefix(MARK).encode()).decode()
    except InvalidToken:
        logger.error("No key of FIELD_ENCRYPTION_KEYS fits what is stored of a second step")
        return None


def encrypt_anew() -> int:
    """Encrypt with the first key what is plain or has an older key; return how many rows."""
    newest = _fernet(settings.FIELD_ENCRYPTION_KEYS[0])
    return sum(
        _encrypt_row(pk, is_current=lambda stored: _opens(newest, stored))
        for pk in Authenticator.objects.values_list("pk", flat=True)
    )


def unreadable() -> list[str]:
    """The addresses of those whose second step no key opens, in order."""
    rows = Authenticator.objects.select_related("user").order_by("user__email")
    return sorted({row.user.email for row in rows if not _is_readable(row.data)})


def _is_readable(data: dict[str, Any]) -> bool:
    kept = [data[name] for name in SECRETS if isinstance(data.get(name), str)]
    return all(decrypt(stored) is not None for stored in kept)


def _encrypt_row(pk: int, *, is_current: Callable[[str], bool]) -> bool:
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(pk=pk).first()
        data: dict[str, Any] = row.data if row is not None else {}
        found = {name: data[name] for name in SECRETS if isinstance(data.get(name), str)}
        older = {name: stored for name, stored in found.items() if not is_current(stored)}
        plain = {name: decrypt(stored) for name, stored in older.items()}
        anew = {name: encrypt(text) for name, text in plain.items() if text is not None}
        if row is None or not anew:
            return False
        row.data = data | anew
        row.save(update_fields=["data"])
        return True


def _opens(key: Fernet, stored: str) -> bool:
    try:
        key.decrypt(stored.removeprefix(MARK).encode())
    except InvalidToken:
        return False
    return stored.startswith(MARK)


def _keys() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in settings.FIELD_ENCRYPTION_KEYS])


def _fernet(key: str) -> Fernet:
    derived = hashlib.sha256(b"call-credits second steps:" + key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
