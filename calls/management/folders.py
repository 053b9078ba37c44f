"""The files that a command is given: those that are named, and those in folders that are named."""

from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError

from calls.management.source_arguments import REFUSED

REJECTS_SUFFIX = ".rejects.csv"


def named_files(names: Iterable[str]) -> tuple[list[str], list[Path]]:
    """Return the files, those of a folder by name, and the folders in folders: these are left out.

    Raises CommandError where a folder can't be looked into.
    """
    files: list[str] = []
    passed_over: list[Path] = []
    for name in names:
        if not Path(name).is_dir():
            files.append(name)
            continue
        try:
            inside = sorted(path for path in Path(name).iterdir() if path.name[0] != ".")
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.", returncode=REFUSED) from None
        files += map(str, _files_of(inside))
        passed_over += (path for path in inside if path.is_dir())
    return files, passed_over


def _files_of(inside: list[Path]) -> list[Path]:
    """The files among what is ``inside`` a folder, but the rejected lines of others.

    A link that leads nowhere is one that can't be read, which has to be said.
    """
    names = {path.name for path in inside}
    return [
        path
        for path in inside
        if (path.is_file() or not path.exists())
        and path.name.removesuffix(REJECTS_SUFFIX) not in names - {path.name}
    ]
