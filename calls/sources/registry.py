"""All sources of call records, by name, and the profiles that the product ships.

A new source is a file of its own and a line here; a new profile is a file in ``profiles``. Those
that report calls by themselves are `platforms`.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from calls import reporters
from calls.platforms import Platform
from calls.sources import Source
from calls.sources.asterisk import AsteriskCsv
from calls.sources.canonical import CanonicalCsv, OwnExport
from calls.sources.elevenlabs import ElevenLabs
from calls.sources.freeswitch import FreeSwitch
from calls.sources.freeswitch.reports import FreeSwitchReports
from calls.sources.mapped.profile import Profile
from calls.sources.mapped.source import MappedSource
from calls.sources.retell import Retell
from calls.sources.telnyx import Telnyx
from calls.sources.twilio import Twilio
from calls.sources.vapi import Vapi
from calls.sources.voice_agent import VoiceAgent

SOURCES: Mapping[str, type[Source[Any]]] = {
    source.name: source
    for source in (
        CanonicalCsv,
        OwnExport,
        AsteriskCsv,
        FreeSwitch,
    )
}

DEFAULT = CanonicalCsv.name

SHIPPED: Final = Path(__file__).parent / "profiles"


def reporter_of(source: Source[Any]) -> str:
    """Who reports the calls of a file that is read by ``source``: the system that it is of.

    Files of one system are one reporter, whatever their notation. Our own CSV, and files that
    somebody has mapped, do not tell what system they are of. Rule: `calls.reporters`.
    """
    if isinstance(source, MappedSource):
        name = source.profile.name
        return reporters.of_file(name if name in shipped_profiles() else "")
    is_own = isinstance(source, CanonicalCsv)
    return reporters.of_file("" if is_own else source.name)


@cache
def shipped_profiles() -> Mapping[str, Profile]:
    """Return the profiles that come with the product, by name. Read once."""
    profiles = (
        Profile.from_json(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(SHIPPED.glob("*.json"))
    )
    return {profile.name: profile for profile in profiles}


PLATFORMS: Final[tuple[type[Platform], ...]] = (
    Vapi,
    Retell,
    Twilio,
    ElevenLabs,
    Telnyx,
    FreeSwitchReports,
    VoiceAgent,
)


@cache
def platforms() -> Mapping[str, Platform]:
    """Return the platforms that report calls by themselves, by name, in the order of a choice."""
    profiles = shipped_profiles()
    return {
        platform.name: platform(
            profiles[platform.profile].needed_columns if platform.profile else ()
        )
        for platform in PLATFORMS
    }
