"""Files as they are sent: compressed, packed with others, or something that holds no records.

Nothing is read as a whole, and nothing trusts the size that a file declares.
"""

import gzip
import re
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from typing import BinaryIO, NamedTuple, Protocol

from billing.texts import storable
from calls.notations import BadFileError
from calls.notations.layout import Fact

GIB = 1024**3
BLOCK_BYTES = 1024 * 1024

# A ZIP archive is listed in memory, so its list must be short.
LISTED_MAX = 10_000
LIST_BYTES_MAX = 8 * 1024 * 1024
END_OF_LIST = b"PK\x05\x06"
END_OF_LIST_BYTES = 22
COMMENT_BYTES_MAX = 65_535

# What systems put beside the one file that somebody packed.
BESIDE = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")

# Packed twice is met (a sheet in a ZIP archive), packed more often is an attack.
LAYERS_MAX = 3

SAVE_AS_CSV = "Save the records as CSV, then choose that file."
UNPACK = "Unpack it, then choose the file that was in it."
NO_RECORDS = {
    b"\xd0\xcf\x11\xe0": "The file is an old Excel file (.xls) or is protected by a password. "
    "Save it as .xlsx without a password, or as CSV.",
    b"Rar!\x1a": f"The file is a RAR archive. {UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"The file is a 7z archive. {UNPACK}",
    b"\xfd7zXZ\0": f"The file is compressed with xz. {UNPACK}",
    b"\x28\xb5\x2f\xfd": f"The file is compressed with zstd. {UNPACK}",
    b"\x04\x22\x4d\x18": f"The file is compressed with lz4. {UNPACK}",
    b"%PDF-": f"The file is a PDF document, which holds no records. {SAVE_AS_CSV}",
    b"\x89PNG": f"The file is a picture. {SAVE_AS_CSV}",
    b"\xff\xd8\xff": f"The file is a picture. {SAVE_AS_CSV}",
    b"GIF8": f"The file is a picture. {SAVE_AS_CSV}",
    b"{\\rtf": f"The file is a text document (RTF). {SAVE_AS_CSV}",
    b"SQLite format 3\0": f"The file is a database (SQLite). {SAVE_AS_CSV}",
    b"PAR1\x15": f"The file is in Parquet format. {SAVE_AS_CSV}",
    b"ID3\x03": f"The file is a recording. {SAVE_AS_CSV}",
    b"ID3\x04": f"The file is a recording. {SAVE_AS_CSV}",
    b"\x7fELF": f"The file is a program. {SAVE_AS_CSV}",
}
BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
RECORDING = re.compile(rb"RIFF....WAVE", re.DOTALL)
MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|!--|!doctype|html|head|meta|table|style)", re.I
)

# What stands in an archive that is a document of an office program.
SHEET = "xl/workbook.xml"
OTHER_DOCUMENTS = {
    "xl/workbook.bin": "The file is a binary Excel file (.xlsb). Save it as .xlsx or as CSV.",
    "word/document.xml": f"The file is a Word document. {SAVE_AS_CSV}",
    "ppt/presentation.xml": f"The file is a presentation. {SAVE_AS_CSV}",
    "META-INF/manifest.xml": "The file is an OpenDocument. Save it as .xlsx or as CSV.",
    "Index/Document.iwa": "The file is a Numbers document. Export it as .xlsx or as CSV.",
}


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""


class Unpacked(NamedTuple):
    """What was in the file. ``is_sheet``: it is an .xlsx file, which is left as it is."""

    file: BinaryIO
    facts: tuple[Fact, ...]
    is_sheet: bool


def unpack(file: BinaryIO, *, unpacked_max: int) -> Unpacked:
    """Return the plain file in ``file``, at its beginning.

    Where something had to be unpacked it is a temporary file of at most ``unpacked_max`` bytes.
    Raises BadFileError where there is no single file in it, or none that can hold records.
    """
    facts: list[Fact] = []
    plain = file
    try:
        for _ in range(LAYERS_MAX):
            plain.seek(0)
            beginning = plain.read(64)
            plain.seek(0)
            if beginning.startswith(b"\x1f\x8b"):
                inner = _gunzipped(plain, unpacked_max)
                facts.append(Fact("compression", "The file was compressed with gzip."))
            elif beginning.startswith((b"PK\x03\x04", END_OF_LIST)):
                archive = _opened(plain)
                if _is_sheet(archive, unpacked_max):
                    plain.seek(0)
                    return Unpacked(plain, tuple(facts), is_sheet=True)
                member = _only_member(archive)
                inner = _extracted(archive, member, unpacked_max)
                named = storable(member.filename.rpartition("/")[2][:80])
                facts.append(Fact("compression", f"The file was “{named}” in a ZIP archive."))
            else:
                _refuse_without_records(beginning)
                return Unpacked(plain, tuple(facts), is_sheet=False)
            if plain is not file:
                plain.close()
            plain = inner
        raise BadFileError("The file is packed several times over. Unpack it first.")
    except BaseException:
        if plain is not file:
            plain.close()
        raise


def _refuse_without_records(beginning: bytes) -> None:
    for magic, message in NO_RECORDS.items():
        if beginning.startswith(magic):
            raise BadFileError(message)
    if BZIP2.match(beginning):
        raise BadFileError(f"The file is compressed with bzip2. {UNPACK}")
    if RECORDING.match(beginning):
        raise BadFileError(f"The file is a recording. {SAVE_AS_CSV}")
    if MARKUP.match(beginning):
        raise BadFileError(
            f"The file is a web page or an XML document, whatever its name says. {SAVE_AS_CSV}"
        )


def _gunzipped(file: BinaryIO, unpacked_max: int) -> BinaryIO:
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            return _copied(packed, unpacked_max)
    except EOFError:
        raise BadFileError(
            "The compressed file ends in the middle: it has not been sent as a whole."
        ) from None
    except (OSError, zlib.error) as error:
        raise BadFileError(f"The compressed file is damaged ({error}).") from None


def _copied(packed: _Readable, unpacked_max: int) -> BinaryIO:
    """Unpack into a temporary file, and count: no size that is declared can be trusted."""
    with ExitStack() as opened:
        plain = opened.enter_context(tempfile.TemporaryFile())
        size = 0
        while block := packed.read(BLOCK_BYTES):
            size += len(block)
            if size > unpacked_max:
                raise BadFileError(_too_large(unpacked_max))
            plain.write(block)
        plain.seek(0)
        opened.pop_all()  # the caller closes it
    return plain


def _too_large(unpacked_max: int) -> str:
    if unpacked_max >= GIB:
        limit = f"{unpacked_max / GIB:.3g} GiB"
    else:
        limit = f"{unpacked_max / 1024**2:.3g} MiB"
    return f"What is in the file takes more than {limit} unpacked. Send it in parts."


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    _refuse_long_list(file)
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError):
        raise BadFileError(
            "The ZIP archive is damaged, or it has not been sent as a whole."
        ) from None


def _refuse_long_list(file: BinaryIO) -> None:
    """Refuse an archive of so many files that their list would fill the memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END_OF_LIST_BYTES - COMMENT_BYTES_MAX))
    end = file.read()
    file.seek(0)
    at = end.rfind(END_OF_LIST)
    if at < 0 or len(end) - at < END_OF_LIST_BYTES:
        return
    count = int.from_bytes(end[at + 10 : at + 12], "little")
    list_bytes = int.from_bytes(end[at + 12 : at + 16], "little")
    if count > LISTED_MAX or list_bytes > LIST_BYTES_MAX:
        raise BadFileError("The ZIP archive holds too many files. Send one of them.")


def _is_sheet(archive: zipfile.ZipFile, unpacked_max: int) -> bool:
    names = set(archive.namelist())
    for name, message in OTHER_DOCUMENTS.items():
        if name in names:
            raise BadFileError(message)
    if SHEET not in names and not any(name.startswith("xl/worksheets/") for name in names):
        return False
    if sum(member.file_size for member in archive.infolist()) > unpacked_max:
        raise BadFileError(_too_large(unpacked_max))
    return True


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not any(part in member.filename for part in BESIDE)
        and not member.filename.rpartition("/")[2].startswith("._")
    ]
    if not members:
        raise BadFileError("The ZIP archive is empty.")
    if len(members) > 1:
        named = ", ".join(f"“{storable(member.filename[:60])}”" for member in members[:3])
        more = " …" if len(members) > 3 else ""
        raise BadFileError(
            f"The ZIP archive holds {len(members)} files ({named}{more}). Send one of them at a "
            "time."
        )
    return members[0]


def _extracted(archive: zipfile.ZipFile, member: zipfile.ZipInfo, unpacked_max: int) -> BinaryIO:
    if member.flag_bits & 1:
        raise BadFileError("The ZIP archive is protected by a password. Pack it without one.")
    if member.file_size > unpacked_max:
        raise BadFileError(_too_large(unpacked_max))
    try:
        with archive.open(member) as packed:
            return _copied(packed, unpacked_max)
    except BadFileError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise BadFileError(f"The ZIP archive can't be unpacked ({error}).") from None
