"""How many random examples a property of what is stored is tried with.

Few in each run of the suite, as an example is a story of dozens of steps in the database. Whoever
changes the rules behind a property tries more: `EXAMPLES=10 make test` tries ten times as many, and
other servers, to which a history is much like another, get a fifth.
"""

import os

from hypothesis import HealthCheck, settings


def examples(number: int) -> settings:
    """Settings for so many examples, however long each takes."""
    return settings(
        max_examples=max(1, int(number * float(os.environ.get("EXAMPLES", "1")))),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
