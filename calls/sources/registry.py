"""All sources of call records, by name. A new source is a file of its own and a line here."""

from collections.abc import Mapping
from typing import Any

from calls.sources import Source
from calls.sources.asterisk import AsteriskCsv
from calls.sources.canonical import CanonicalCsv, OwnExport
from calls.sources.freeswitch import FreeSwitch

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
