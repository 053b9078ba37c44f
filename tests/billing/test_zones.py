"""Which time zones an account may have."""

import pytest
from django.core.exceptions import ValidationError

from billing.models.account import validate_time_zone


@pytest.mark.parametrize("name", ["localtime", "Factory", "Mars/Olympus", "", "../etc/passwd"])
def test_a_name_that_is_no_place_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a time zone"):
        validate_time_zone(name)
