"""The four steps of an import, as people see them."""

from typing import Any

from calls.models import ImportState

STAGES = (
    ("choose", "Choose a file"),
    ("check", "Check what it is"),
    ("try", "Try it"),
    ("import", "Import"),
)
_OF_STATE = {
    ImportState.UPLOADING: "choose",
    ImportState.EXAMINING: "check",
    ImportState.READY: "check",
    ImportState.REFUSED: "check",
    ImportState.TRYING: "try",
    ImportState.TRIED: "try",
}


def stages_at(stage: str) -> dict[str, Any]:
    """What the template of the steps needs, at ``stage``."""
    number = 1 + [name for name, _ in STAGES].index(stage)
    return {"stages": STAGES, "stage": stage, "stage_number": number}


def stage_of(state: str) -> str:
    """The step at which an import in ``state`` is."""
    return _OF_STATE.get(ImportState(state), "import")
