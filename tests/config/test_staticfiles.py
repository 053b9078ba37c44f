"""Of the libraries' static files only those are collected that a page may ask for.

That none of these is missing is seen by whoever asks for every page (`tests/hostile`).
"""

from pathlib import PurePosixPath

from django.contrib.staticfiles.finders import get_finders

from config.staticfiles import NeededStaticFilesConfig


def collected() -> list[PurePosixPath]:
    return [
        PurePosixPath(path)
        for finder in get_finders()
        for path, _ in finder.list(NeededStaticFilesConfig.ignore_patterns)
    ]


def test_nothing_is_collected_for_whoever_develops_the_libraries() -> None:
    notes = [path for path in collected() if path.suffix in (".txt", ".md", ".map", ".ts")]
    assert [path for path in notes if "LICENSE" not in path.name] == []


def test_words_of_the_libraries_are_in_the_language_of_the_pages() -> None:
    assert [path.name for path in collected() if path.parent.name == "i18n"] == ["en.js"]


def test_what_no_page_asks_for_is_left_out() -> None:
    folders = {str(path.parent) for path in collected()}
    assert {folder for folder in folders if folder.startswith("admin/")} == {
        "admin/css",
        "admin/css/vendor/select2",
        "admin/js",
        "admin/js/admin",
        "admin/js/vendor/jquery",
        "admin/js/vendor/select2",
        "admin/js/vendor/select2/i18n",
        "admin/js/vendor/xregexp",
    }
    assert not folders & {"account/js", "mfa/js", "rest_framework", "drf_spectacular_sidecar"}
    assert {path.name for path in collected() if path.parts[0] == "django_htmx"} == {
        "django-htmx.js",
        "htmx-2.min.js",
    }
    assert len(collected()) < 110
