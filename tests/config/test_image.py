"""The image works without what only `make run` and `make test` need."""

import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.config.test_configuration import PRODUCTION, ROOT


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what .dockerignore lets into the image."""
    patterns = (ROOT / ".dockerignore").read_text().split()
    left_out = [one.removeprefix("**/") for one in patterns if not one.startswith("!")]
    kept = {one.removeprefix("!") for one in patterns if one.startswith("!")}

    def ignored(directory: str, names: list[str]) -> list[str]:
        place = Path(directory).relative_to(ROOT)
        paths = {name: {name, (place / name).as_posix()} for name in names}
        return [
            name
            for name in names
            if any(fnmatch(path, pattern) for path in paths[name] for pattern in left_out)
            and not paths[name] & kept
        ]

    copy = tmp_path_factory.mktemp("image") / "app"
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


def test_it_leaves_out_what_production_does_not_need(image: Path) -> None:
    assert not [
        name for name in ("config/local", "tests", "var", ".venv") if (image / name).exists()
    ]
    assert (image / "config" / "settings.py").exists()
    assert (image / "docs" / "openapi.yaml").exists()
    assert not (image / "docs" / "figures.md").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["-c", "import config.wsgi, config.gunicorn, config.probe, config.celery"],
    ],
)
def test_it_works_in_production(image: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=image,
        env={"PATH": os.environ["PATH"], **PRODUCTION},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
