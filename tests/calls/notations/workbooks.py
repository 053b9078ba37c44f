"""Spreadsheets (.xlsx) for tests, written as the XML that they are."""

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import NamedTuple
from xml.sax.saxutils import escape

# Styles by what a cell is shown as; their numbers are the places in the XML below.
GENERAL, DATE_TIME, DATE, TIME, DURATION, WHOLE = range(6)

STYLES = """<?xml version="1.0"?>
<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<numFmts count="2"><numFmt numFmtId="170" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss.000"/>
<numFmt numFmtId="171" formatCode="[h]:mm:ss"/></numFmts>
<cellXfs count="6"><xf numFmtId="0"/><xf numFmtId="170"/><xf numFmtId="14"/><xf numFmtId="21"/>
<xf numFmtId="171"/><xf numFmtId="1"/></cellXfs></styleSheet>"""


RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OF_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
ROOT = (
    f'<Relationships xmlns="{RELATIONS}"><Relationship Id="rId1" Target="xl/workbook.xml" '
    f'Type="{OF_OFFICE}/officeDocument"/></Relationships>'
)


class Shown(NamedTuple):
    """A number with how it is shown."""

    number: float | str
    style: int


Cell = str | int | float | bool | Shown | None


def sheet_xml(rows: Iterable[Sequence[Cell]]) -> str:
    """The XML of a sheet; its rows are those from the first on."""
    written = "".join(
        f'<row r="{number}">{"".join(map(_cell, row))}</row>' for number, row in enumerate(rows, 1)
    )
    return f"{BEGINNING}{written}{END}"


BEGINNING = (
    '<?xml version="1.0"?><worksheet '
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
)
END = "</sheetData></worksheet>"


def _cell(value: Cell) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        text = escape(value)
        return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    number, style = value if isinstance(value, Shown) else (value, GENERAL)
    return f'<c s="{style}"><v>{number}</v></c>'


def workbook(
    *sheets: Iterable[Sequence[Cell]] | str,
    names: Sequence[str] = (),
    states: Mapping[int, str] | None = None,
    is_1904: bool = False,
    shared: str | None = None,
) -> bytes:
    """An .xlsx file. A sheet is its rows, or its XML; ``states`` are those of hidden sheets.

    ``shared`` is the XML of the shared strings.
    """
    states = states or {}
    listed = "".join(
        f'<sheet name="{escape(_name(names, place))}" sheetId="{place + 1}" r:id="rId{place + 1}"'
        f' state="{states.get(place, "visible")}"/>'
        for place in range(len(sheets))
    )
    related = "".join(
        f'<Relationship Id="rId{place + 1}" Target="worksheets/sheet{place + 1}.xml" Type='
        f'"{OF_OFFICE}/worksheet"/>'
        for place in range(len(sheets))
    )
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("_rels/.rels", ROOT)
        archive.writestr(
            "xl/workbook.xml",
            '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r='
            f'"{OF_OFFICE}">'
            f'<workbookPr date1904="{int(is_1904)}"/><sheets>{listed}</sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{RELATIONS}">{related}</Relationships>',
        )
        archive.writestr("xl/styles.xml", STYLES)
        if shared is not None:
            archive.writestr("xl/sharedStrings.xml", shared)
        for place, sheet in enumerate(sheets, 1):
            xml = sheet if isinstance(sheet, str) else sheet_xml(sheet)
            archive.writestr(f"xl/worksheets/sheet{place}.xml", xml)
    return file.getvalue()


def _name(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else f"Sheet{place + 1}"
