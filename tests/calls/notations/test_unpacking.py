"""Files as they are sent: compressed, packed with others, or no records at all."""

import gzip
import tempfile
import zipfile
from io import BytesIO

import pytest

from calls.notations import BadFileError
from calls.notations.examining import examine
from tests.calls.notations.workbooks import workbook

ROWS = b"id,start\nc-1001,2026-11-20\nc-1002,2026-11-21\n"


def unpacked(content, **options):
    found = examine(BytesIO(content), name="calls.csv", **options)
    with found.file as file:
        return file.read()


def refusal(content, **options):
    with pytest.raises(BadFileError) as refused:
        unpacked(content, **options)
    return str(refused.value)


def archive_of(files):
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(ROWS),
        gzip.compress(ROWS[:20]) + gzip.compress(ROWS[20:]),
        gzip.compress(gzip.compress(ROWS)),
        archive_of({"calls.csv": ROWS}),
        archive_of({"a/": b"", "a/calls.csv": ROWS, "__MACOSX/a/._calls.csv": b"x"}),
        archive_of({"calls.csv": ROWS, ".DS_Store": b"x"}),
        archive_of({"calls.csv.gz": gzip.compress(ROWS)}),
    ],
    ids=["gzip", "members", "gzip twice", "zip", "folder", "DS_Store", "gzip in zip"],
)
def test_a_packed_file_is_unpacked(content):
    assert unpacked(content) == ROWS


def test_what_it_was_packed_with_is_said():
    found = examine(BytesIO(archive_of({"a/calls.csv": ROWS})), name="x")
    found.file.close()
    assert found.facts[0].said == "The file was “calls.csv” in a ZIP archive."


def test_the_bytes_that_are_unpacked_are_counted_not_declared():
    bomb = gzip.compress(b"c-1001,2026-11-20\n" * 1_000_000)
    said = refusal(bomb, unpacked_max=1024**2)
    assert said == "What is in the file takes more than 1 MiB unpacked. Send it in parts."
    members = b"".join(gzip.compress(b"x\n" * 300_000) for _ in range(2))
    assert refusal(members, unpacked_max=1024**2) == said
    assert refusal(archive_of({"a": b"x\n" * 1_000_000}), unpacked_max=1024**2) == said


def test_what_was_unpacked_is_deleted_where_the_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    refusal(gzip.compress(b"%PDF-1.7"))
    refusal(workbook(""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (gzip.compress(ROWS)[:-12], "ends in the middle"),
        (gzip.compress(ROWS)[:-8] + b"12345678", "damaged"),
        (archive_of({"a.csv": ROWS, "b.csv": ROWS}), "holds 2 files (“a.csv”, “b.csv”)"),
        (archive_of({}), "The ZIP archive is empty."),
        (archive_of({"calls.csv": ROWS})[:60], "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel file (.xls) or is protected"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"\xff\xd8\xff\xe0", "picture"),
        (b"Rar!\x1a\x07\x01\0", "RAR"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (b"BZh91AY&SY", "bzip2"),
        (b"RIFF\0\0\0\0WAVEfmt ", "recording"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Workbook/>", "XML"),
        (archive_of({"word/document.xml": "<x/>"}), "Word document"),
        (archive_of({"META-INF/manifest.xml": "<x/>", "content.xml": "<x/>"}), "OpenDocument"),
    ],
    # Not the content, which has the time in it: all processes must collect the same tests.
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_file_that_can_not_be_read_gets_a_sentence(content, part):
    assert part in refusal(content)


def test_a_text_may_begin_like_another_kind_of_file():
    rows = b"BZh,ID3\n1001,2026-11-20\n1002,2026-11-21\n"
    assert unpacked(rows) == rows


def test_an_archive_of_very_many_files_is_refused_unread():
    content = archive_of({f"{number}.csv": b"" for number in range(10_001)})
    assert refusal(content) == "The ZIP archive holds too many files. Send one of them."


def test_a_zip_archive_that_lies_about_a_size_is_refused():
    content = bytearray(archive_of({"calls.csv": ROWS * 100}))
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert "can't be unpacked" in refusal(bytes(content))
