"""What docs/security.md names is there: modules, tests, settings."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from tests.config.test_configuration import ROOT

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`([^`\n]+)`", DOCUMENT)))
PATHS = [name for name in NAMED if re.fullmatch(r"\.?\w[\w.-]*(/[\w.-]+)+(::\w+)?", name)]
CONSTANTS = [name for name in NAMED if re.fullmatch(r"[A-Z][A-Z_]{4,}", name)]


@cache
def text_of(path: Path) -> str:
    return path.read_text()


@pytest.mark.parametrize("name", PATHS)
def test_a_file_that_it_names_exists_and_has_the_test(name: str) -> None:
    path, _, test = name.partition("::")
    assert (ROOT / path).exists()
    if test:
        assert f"def {test}(" in text_of(ROOT / path)


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_that_it_names_is_set_somewhere(name: str) -> None:
    assert hasattr(settings, name) or any(
        re.search(rf"^{name}\b.*=", text_of(path), re.MULTILINE)
        for folder in ("api", "billing", "calls", "config", "dashboard")
        for path in (ROOT / folder).rglob("*.py")
    )


def test_each_row_says_whether_it_is_met_and_has_a_number_of_its_own() -> None:
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| .+ \| (.+) \| .+ \|$", DOCUMENT, re.M)
    assert len(PATHS) > 100
    assert len(rows) == len(re.findall(r"^\| \d", DOCUMENT, re.M)) > 200
    assert len({number for number, _, _ in rows}) == len(rows)
    assert {said for _, _, said in rows} <= {"yes", "partly", "no", "not ours"}


def test_what_is_not_met_is_told_at_the_top() -> None:
    top = DOCUMENT.partition("## What operators")[0]
    open_points = re.findall(r"^\| (\d+\.\d+\.\d+) \| . \| .+ \| (?:no|partly) \|", DOCUMENT, re.M)
    assert [number for number in open_points if number not in top] == []
