"""How the domain refuses what somebody asked for: one shape, so that each door translates it once.

A refusal is an answer to a person, not a fault of ours: a page shows its message beside the input
it is about, and an API returns both.
"""


class Refusal(ValueError):
    """What was asked for can't be done.

    ``message`` is one or more whole sentences that say what the user can do about it; ``field`` is
    the name of the argument to change, "" where it is no single one.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
