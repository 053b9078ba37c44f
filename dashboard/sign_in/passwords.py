"""Which passwords are refused here beside those that Django refuses anywhere."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

# What somebody who knows this site tries first. So are the names of its host and of the seller.
WORDS = (
    "call",
    "credit",
    "operator",
    "operations",
    "superadmin",
    "admin",
    "member",
    "password",
    "dashboard",
)
LENGTH_MIN = 8


def own_words() -> list[str]:
    """The words that count for nothing in a password, the longest first."""
    host = (urlsplit(settings.SITE_URL).hostname or "").split(".")
    names = [*host, *settings.SELLER_NAME.lower().split()]
    return sorted({*WORDS, *(name for name in names if len(name) > 3)}, key=len, reverse=True)


class OwnWordsValidator:
    """Refuses a password that is short without the words of this site."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError where fewer than `LENGTH_MIN` characters are left of it."""
        left = password.lower()
        for word in own_words():
            left = left.replace(word, "")
        if left != password.lower() and len(left) < LENGTH_MIN:
            raise ValidationError(
                "This is little more than words from this site, which anyone would try first.",
                code="own_words",
            )

    def get_help_text(self) -> str:
        """Say it beforehand."""
        return "Your password can’t be little more than words from this site, such as “credit”."
