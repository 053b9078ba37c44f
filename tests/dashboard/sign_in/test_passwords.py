"""Which passwords people may choose."""

from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError


@pytest.mark.parametrize(
    "password", ["CallCredits2026!", "superadmin-1", "example-77", "Acme.Voice.123", "credit" * 9]
)
def test_words_of_this_site_alone_are_refused(password: str, settings: Any) -> None:
    settings.SITE_URL, settings.SELLER_NAME = "https://credits.example.com", "Acme Voice Ltd"
    with pytest.raises(ValidationError, match="words from this site"):
        validate_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "correct-horse-battery-staple",
        "credits for 12 llamas",
        "ünïcödé wörds",
        "kq7wz9xv",
        "x" * 64,
    ],
)
def test_of_what_else_they_are_made_nobody_cares(password: str, settings: Any) -> None:
    settings.SITE_URL, settings.SELLER_NAME = "https://credits.example.com", "Acme Voice Ltd"
    validate_password(password)
