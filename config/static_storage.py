"""How static files are stored for serving: under hashed names, compressed, ours without comments.

Libraries bring their files minified. Ours lose only what says nothing to a browser, so that it is
plain that they still say the same (`tests/browser/test_weight.py`).
"""

import re
from collections.abc import Iterator
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

OWN_STYLES, OWN_SCRIPTS = "css/", "js/"
IMPORT = re.compile(r'@import "([\w-]+\.css)";')

# Where each file was found: by its name, the storage and the name there.
Found = dict[str, tuple[Storage, str]]


class ServedFilesStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's. A stylesheet of ours that imports others is stored as one file."""

    # A module that another one imports needs a hashed name too: browsers keep the plain one.
    support_js_module_import_aggregation = True

    def post_process(
        self, paths: Found, dry_run: bool = False, **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Store all files; yields what became of each, as `collectstatic` wants it."""
        shorter = InMemoryStorage()
        served = dict(paths)
        for name in paths:
            if name.startswith(OWN_STYLES):
                text = shorter_style(_with_imports(paths, name))
            elif name.startswith(OWN_SCRIPTS):
                text = shorter_script(_text(paths, name))
            else:
                continue
            served[name] = shorter, shorter.save(name, ContentFile(text.encode()))
        yield from super().post_process(served, dry_run=dry_run, **options)


def shorter_style(text: str) -> str:
    """Return a stylesheet without comments and line breaks."""
    return re.sub(r"\s+", " ", re.sub(r"(?s)/\*.*?\*/", "", text))


def shorter_script(text: str) -> str:
    """Return a script without indentation, empty lines, and lines that are a comment.

    It must have no text of several lines, which would lose its indentation too.
    """
    return re.sub(r"(?m)^[ \t]*(//.*\n|\n)?", "", text)


def _text(paths: Found, name: str) -> str:
    storage, path = paths[name]
    with storage.open(path) as file:
        return str(file.read().decode())


def _with_imports(paths: Found, name: str) -> str:
    return IMPORT.sub(lambda found: _text(paths, OWN_STYLES + found[1]), _text(paths, name))
