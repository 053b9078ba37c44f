"""Reasons that an operator gives and an account reads: in its log, on its pages, in its exports."""

import re

# They break logs and exports. Invisible joiners stay: names in many scripts need them.
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class ReasonError(ValueError):
    """Nobody could read this reason: the message says why."""


def readable_reason(reason: str) -> str:
    """``reason`` on one line. Raises ReasonError where it is empty to the eye or to a log."""
    reason = " ".join(reason.split())
    if not any(character.isprintable() for character in reason):
        raise ReasonError("Say why: the account sees it.")
    if CONTROL_CHARACTER.search(reason):
        raise ReasonError("This has a control character; remove it.")
    return reason
