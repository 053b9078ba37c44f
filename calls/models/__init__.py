"""The tables of calls, one concept a file."""

from calls.models.call import NUMBER_LENGTH_MAX, UNCONNECTED, Call, Status
from calls.models.overtaken import OvertakenCall

__all__ = ["NUMBER_LENGTH_MAX", "UNCONNECTED", "Call", "OvertakenCall", "Status"]
