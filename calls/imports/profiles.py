"""The mappings that an account keeps for files of its own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.activity import ActivityKind, gone, new, note
from billing.models import Account, User
from billing.refusals import Refusal
from billing.texts import storable
from calls.models import MappingProfile
from calls.sources.mapped.profile import Profile

NAME_LENGTH_MAX = 80
BYTES_MAX = 200_000
PROFILES_MAX = 100  # of an account

KIND = "call records mapping"


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
    """Keep ``profile`` under ``name``, in place of the one that has it. Raises Refusal.

    ``columns`` are those of the file that it was made for: a file that has them is read by it.
    """
    name = " ".join(storable(name).split())
    if not name:
        raise Refusal("Give the mapping a name.", field="name")
    if len(name) > NAME_LENGTH_MAX:
        raise Refusal(f"Use at most {NAME_LENGTH_MAX} characters.", field="name")
    checked = Profile.from_json(profile).without_patterns().as_json()
    kept = MappingProfile.objects.filter(account=account)
    if not kept.filter(name=name).exists() and kept.count() >= PROFILES_MAX:
        raise Refusal(f"{PROFILES_MAX} mappings are kept already. Delete one first.")
    with transaction.atomic():
        saved, is_new = MappingProfile.objects.update_or_create(
            account=account,
            name=name,
            defaults={
                "columns_hash": hash_of(columns),
                "profile": checked,
                "zone": zone,
                "saved_by": by,
                "saved_at": now,
            },
        )
        note(
            ActivityKind.MAPPING_SAVED,
            account=account,
            subject=name,
            changes=new(zone=zone, replaced=not is_new),
        )
    return saved


def profiles_of(account: Account) -> list[MappingProfile]:
    """The profiles of an account, by name."""
    return list(MappingProfile.objects.filter(account=account).order_by("name"))


def profile_for(*, account: Account, columns: Sequence[str]) -> MappingProfile | None:
    """The profile that was saved latest for a file with these columns."""
    if not columns:
        return None
    found = MappingProfile.objects.filter(account=account, columns_hash=hash_of(columns))
    return found.order_by("-saved_at", "-pk").first()


def delete(*, profile: MappingProfile) -> None:
    """Forget a profile. What was imported with it stays."""
    with transaction.atomic():
        note(
            ActivityKind.MAPPING_DELETED,
            account=profile.account_id,
            subject=profile.name,
            changes=gone(zone=profile.zone),
        )
        profile.delete()


def exported(profile: MappingProfile) -> bytes:
    """The profile as a small JSON file."""
    content = {
        "kind": KIND,
        "name": profile.name,
        "zone": profile.zone,
        "columns_hash": profile.columns_hash,
        "profile": profile.profile,
    }
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def imported(*, account: Account, content: bytes, by: User | None, now: datetime) -> MappingProfile:
    """Keep the profile of a file that `exported` made, or a bare one. Raises Refusal."""
    told = read_profile(content)
    bare = told.get("kind") != KIND
    profile = told if bare else told.get("profile")
    if not isinstance(profile, Mapping):
        raise Refusal("This file holds no mapping.", field="file")
    saved = save(
        account=account,
        name=str(told.get("name") or ""),
        profile=profile,
        columns=(),
        zone="" if bare else str(told.get("zone") or ""),
        by=by,
        now=now,
    )
    if not bare and isinstance(told.get("columns_hash"), str):
        saved.columns_hash = told["columns_hash"][:64]
        saved.save(update_fields=["columns_hash"])
    return saved


def read_profile(content: bytes) -> Mapping[str, Any]:
    """The JSON object in a small file. Raises Refusal with field "file"."""
    if len(content) > BYTES_MAX:
        raise Refusal("This file is too large for a mapping.", field="file")
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        raise Refusal("This file is no mapping: it is not JSON.", field="file") from None
    if not isinstance(told, dict):
        raise Refusal("This file holds no mapping.", field="file")
    return told


def hash_of(columns: Sequence[str]) -> str:
    """What two files share that have the same columns, in any order."""
    return hashlib.sha256("\x1f".join(sorted(columns)).encode(errors="replace")).hexdigest()
