"""Which value of a FreeSWITCH record is what: templates of ``cdr_csv``, documents of ``json_cdr``.

A template's file has no header. Its columns are told by where the unique ID, the times and the
hangup cause stand; more columns than are known here change nothing. In a document of ``json_cdr``
the same variables stand under ``variables``, mostly encoded as in a URL.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

_COMMON = (
    "caller_id_name",
    "caller_id_number",
    "destination_number",
    "context",
    "start_stamp",
    "answer_stamp",
    "end_stamp",
    "duration",
    "billsec",
    "hangup_cause",
    "uuid",
    "bleg_uuid",
    "accountcode",
)
_ASTERISK = (
    "accountcode",
    "caller_id_number",
    "destination_number",
    "context",
    "caller_id",
    "channel_name",
    "bridge_channel",
    "last_app",
    "last_arg",
    "start_stamp",
    "answer_stamp",
    "end_stamp",
    "duration",
    "billsec",
    "hangup_cause",
    "amaflags",
    "uuid",
    "userfield",
)
_OPENCDRRATE = (
    "uuid",
    "signal_bond",
    "direction",
    "ani",
    "destination_number",
    "answer_stamp",
    "end_stamp",
    "billsec",
    "accountcode",
    "userfield",
    "network_addr",
    "original_caller_id_name",
    "sip_gateway_name",
)
# The templates “sql”, “example”, “snom” and “linksys” only add columns to those of “default”.
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "default": _COMMON,
    "asterisk": _ASTERISK,
    "opencdrrate": _OPENCDRRATE,
}
WIDTHS = {"default": range(13, 41), "asterisk": range(18, 19), "opencdrrate": range(13, 14)}

# A header must name one of each.
NEEDED = (
    ("uuid", "xml_cdr_uuid"),
    ("start_uepoch", "start_epoch", "start_stamp"),
    ("end_uepoch", "end_epoch", "end_stamp"),
    ("hangup_cause",),
)

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
CAUSE = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+|UNSPECIFIED|CRASH|INTERWORKING|SUCCESS|NONE")
ZERO_STAMP = "0000-00-00 00:00:00"

_OF_CALLER = ("caller_id_number", "destination_number", "context")
_INSIDE = "variables."


def template_of(row: Sequence[str]) -> str | None:
    """Return the name of the template that ``row`` was written with, None where it was by none."""
    for name, columns in TEMPLATES.items():
        if len(row) in WIDTHS[name] and _was_written_with(columns, row):
            return name
    return None


def _was_written_with(columns: Sequence[str], row: Sequence[str]) -> bool:
    values = dict(zip(columns, map(str.strip, row), strict=False))
    if not UUID.fullmatch(values["uuid"]):
        return False
    stamps = [values[name] for name in ("start_stamp", "end_stamp") if name in values]
    if not all(map(STAMP.fullmatch, stamps)):
        return False
    if values["answer_stamp"] and not STAMP.fullmatch(values["answer_stamp"]):
        return False
    return CAUSE.fullmatch(values.get("hangup_cause", "NORMAL_CLEARING")) is not None


def is_header(names: Sequence[str]) -> bool:
    """Whether ``names`` are those of a table of FreeSWITCH's records."""
    return all(any(name in names for name in one) for one in NEEDED)


def is_document(values: Mapping[str, str]) -> bool:
    """Whether ``values`` are a document of ``json_cdr``."""
    return f"{_INSIDE}uuid" in values and f"{_INSIDE}start_uepoch" in values


def variables_of(document: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a document of ``json_cdr``, decoded, beside those of its caller.

    The caller's profiles stand newest first: that of the beginning of the call is the last.
    """
    found = {
        name.removeprefix(_INSIDE): unquote(text) if "%" in text else text
        for name, text in document.items()
        if name.startswith(_INSIDE)
    }
    direction = found.get("direction") or document.get("channel_data.direction", "")
    return {**found, **_caller(document), "direction": direction}


def _caller(document: Mapping[str, str]) -> dict[str, str]:
    """What the first profile of the caller says; ``callflow`` is a list, or of old a document."""
    profile: Any = {
        name: document.get(f"callflow.caller_profile.{name}", "") for name in _OF_CALLER
    }
    if text := document.get("callflow", ""):
        try:
            profile = json.loads(text)[-1]["caller_profile"]
        except (ValueError, LookupError, TypeError):
            return {}
    if not isinstance(profile, dict):
        return {}
    return {name: str(profile[name]) for name in _OF_CALLER if profile.get(name)}
