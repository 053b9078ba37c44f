"""The sample files of known formats, examined as an import does."""

from io import BytesIO
from pathlib import Path

from calls.notations.examining import examine

SAMPLES = Path(__file__).parents[2] / "samples"


def examined(content, name="calls"):
    """What is found out about a file before what its records mean."""
    return examine(BytesIO(content), name=name)
