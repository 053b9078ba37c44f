"""What no text that is stored for people to read may contain. Imports no Django."""

import re

# Control characters break logs and exports, NUL and lone surrogates can't be stored. Invisible
# joiners stay: names in many scripts need them.
UNSTORABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class ReasonError(ValueError):
    """Nobody could read this reason: the message says why."""


def readable_reason(reason: str) -> str:
    """The ``reason`` that an operator gives and an account reads, on one line.

    Raises ReasonError where it is empty to the eye, or can't be stored.
    """
    reason = " ".join(reason.split())
    if not any(character.isprintable() for character in reason):
        raise ReasonError("Say why: the account sees it.")
    if UNSTORABLE.search(reason):
        raise ReasonError("This has a control character; remove it.")
    return reason
