"""Arrows that no import shows: dotted paths and URL names in text, found at run time or by readers.

Imports themselves are contracts in pyproject.toml.
"""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.urls import get_resolver

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("billing", "calls", "dashboard", "api", "config")
# Whom each package must not name: whoever is above it, or beside it.
ABOVE = {
    "billing": ("calls", "dashboard", "api", "config"),
    "calls": ("dashboard", "api", "config"),
    "api": ("dashboard", "config"),
    "dashboard": ("api", "config"),
}
NAMED_IN_DOCUMENTATION = re.compile(rf"`((?:{'|'.join(PACKAGES)})\.[\w.]+)`")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def lines_with(pattern: re.Pattern[str], package: str) -> list[str]:
    """Each line of ``package`` in which ``pattern`` is found, and where it stands."""
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files_of(package)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def url_names(package: str) -> set[str]:
    """The names of URLs whose views are in ``package``, with their namespaces."""
    names = set()

    def collect(patterns, prefix):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                own = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
                collect(pattern.url_patterns, own)
            elif pattern.name and pattern.callback.__module__.partition(".")[0] == package:
                names.add(prefix + pattern.name)

    collect(get_resolver().url_patterns, "")
    return names


@pytest.mark.parametrize("package", ABOVE)
def test_no_package_names_a_module_above_or_beside_it(package):
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts[:2])
        for above in ABOVE[package]
        for path in files_of(above)
        if path.parent != ROOT / above or path.stem != "__init__"
    }
    dotted = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(modules)))})\b")
    assert lines_with(dotted, package) == []


def test_the_urls_of_a_package_are_known():
    assert "dashboard:usage" in url_names("dashboard")
    assert {"webhook", "calls_webhook", "api:calls", "api:balance"} <= url_names("api")


@pytest.mark.parametrize("package", ABOVE)
def test_no_package_names_a_url_above_or_beside_it(package):
    names = {name for above in ABOVE[package] for name in url_names(above)}
    quoted = re.compile(rf"""["'](?:{"|".join(map(re.escape, sorted(names)))})["']""")
    assert lines_with(quoted, package) == []


@pytest.mark.parametrize("package", ["billing", "calls"])
def test_neither_billing_nor_calls_knows_the_address_of_the_site(package):
    assert lines_with(re.compile(r"\bSITE_URL\b"), package) == []


def exists(dotted: str) -> bool:
    """Whether ``dotted`` is a module, or something in one."""
    try:
        resolve_name(dotted)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("package", PACKAGES)
def test_what_documentation_refers_to_exists(package):
    named = {
        (str(path.relative_to(ROOT)), dotted)
        for path in files_of(package)
        for dotted in NAMED_IN_DOCUMENTATION.findall(path.read_text())
    }
    assert [f"{path}: {dotted}" for path, dotted in sorted(named) if not exists(dotted)] == []


OTHER_CLOCKS = re.compile(r"timezone\.now\(|datetime\.(?:now|utcnow|today)\(|date\.today\(")


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_one_clock(package):
    assert lines_with(OTHER_CLOCKS, package) == []
