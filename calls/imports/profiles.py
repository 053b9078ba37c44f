"""The mappings that an account keeps for files of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from billing.models import Account, User
from calls.models import MappingProfile


def save(
    *,
    account: Account,
    name: str,
    profile: Mapping[str, Any],
    columns: Sequence[str],
    zone: str,
    by: User | None,
    now: datetime,
) -> MappingProfile:
    """Keep ``profile`` under ``name``, in place of the one that has it. Raises Refusal."""
    raise NotImplementedError


def profiles_of(account: Account) -> list[MappingProfile]:
    """The profiles of an account, by name."""
    raise NotImplementedError


def profile_for(*, account: Account, columns: Sequence[str]) -> MappingProfile | None:
    """The profile that was saved latest for a file with these columns."""
    raise NotImplementedError


def delete(*, profile: MappingProfile) -> None:
    """Forget a profile. What was imported with it stays."""
    raise NotImplementedError


def exported(profile: MappingProfile) -> bytes:
    """The profile as a small JSON file."""
    raise NotImplementedError


def imported(*, account: Account, content: bytes, by: User | None, now: datetime) -> MappingProfile:
    """Keep the profile of a file that `exported` made. Raises Refusal where it is none."""
    raise NotImplementedError
