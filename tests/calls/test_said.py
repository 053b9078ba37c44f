"""What is said of calls and files stands on pages too, where nobody has a command line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CALLS = Path(__file__).parents[2] / "calls"
ARGUMENT = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def texts_of(path: Path) -> Iterator[str]:
    """The texts in a module but its documentation, and what the command's arguments are called."""
    every = list(ast.walk(ast.parse(path.read_text())))
    skipped = {
        id(node.value)
        for node in every
        if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "argument")
    }
    for node in every:
        if isinstance(node, ast.Constant) and id(node) not in skipped:
            yield str(node.value)


def test_nothing_but_the_command_names_its_arguments():
    modules = [path for path in CALLS.rglob("*.py") if "management" not in path.parts]
    named = [
        (path.name, text) for path in modules for text in texts_of(path) if ARGUMENT.search(text)
    ]
    assert named == []
