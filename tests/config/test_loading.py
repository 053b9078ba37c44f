"""A process that has loaded the product collects garbage again, and has not loaded all there is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.child import child_environment

ROOT = Path(__file__).resolve().parents[2]
SAID = "import gc, sys; print(gc.isenabled(), gc.get_freeze_count() > 0, 'stripe' in sys.modules)"


@pytest.mark.parametrize(
    "command",
    [
        ["-c", f"import config.wsgi; {SAID}"],
        ["manage.py", "shell", "--no-imports", "--command", SAID],
    ],
)
def test_what_is_loaded_is_no_garbage_and_what_comes_later_may_be(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        env=child_environment(PAYMENT_GATEWAY="sandbox"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["True", "True", "False"], done.stderr
