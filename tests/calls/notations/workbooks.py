"""Excel files (.xlsx), written as text: only what a test is about, and nothing by a library."""

import io
import zipfile

CONTENT_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

# Styles of cells, by the place of their format.
GENERAL, DATE_TIME, LENGTH, DATE, TIME = range(5)
FORMATS = ("yyyy-mm-dd hh:mm:ss", "[h]:mm:ss", "yyyy-mm-dd", "hh:mm:ss")


def number(value, style=GENERAL):
    return f'<c s="{style}"><v>{value}</v></c>'


def text(value):
    return f'<c t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'


def row(*cells):
    return f"<row>{''.join(cells)}</row>"


def workbook(*sheets, states=(), is_1904=False, shared=None):
    """The bytes of a file with ``sheets``, each the text of its rows."""
    states = [*states, *[""] * len(sheets)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", relations([("rId1", "officeDocument", "xl/workbook.xml")]))
        listed = "".join(
            f'<sheet name="Sheet {place}" sheetId="{place}" r:id="rId{place}"'
            + (f' state="{state}"/>' if state else "/>")
            for place, state in zip(range(1, len(sheets) + 1), states, strict=False)
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">'
            f'<workbookPr date1904="{int(is_1904)}"/><sheets>{listed}</sheets></workbook>',
        )
        parts = [
            (f"rId{place}", "worksheet", f"worksheets/sheet{place}.xml")
            for place in range(1, len(sheets) + 1)
        ]
        parts.append(("rIdStyles", "styles", "styles.xml"))
        if shared is not None:
            parts.append(("rIdShared", "sharedStrings", "sharedStrings.xml"))
            write_pieces(archive, "xl/sharedStrings.xml", shared)
        archive.writestr("xl/_rels/workbook.xml.rels", relations(parts))
        archive.writestr("xl/styles.xml", styles())
        for place, rows in enumerate(sheets, 1):
            pieces = [rows] if isinstance(rows, str) else rows
            write_pieces(
                archive,
                f"xl/worksheets/sheet{place}.xml",
                [f'<worksheet xmlns="{MAIN}"><sheetData>', *pieces, "</sheetData></worksheet>"],
            )
    return buffer.getvalue()


def write_pieces(archive, name, pieces):
    with archive.open(name, "w") as part:
        for piece in pieces:
            part.write(piece.encode())


def relations(parts):
    listed = "".join(
        f'<Relationship Id="{own}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for own, kind, target in parts
    )
    return f'<Relationships xmlns="{PACKAGE}">{listed}</Relationships>'


def styles():
    formats = "".join(
        f'<numFmt numFmtId="{164 + place}" formatCode="{code}"/>'
        for place, code in enumerate(FORMATS)
    )
    cells = "".join(
        f'<xf numFmtId="{164 + place}" applyNumberFormat="1"/>' for place in range(len(FORMATS))
    )
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts count="{len(FORMATS)}">{formats}</numFmts>'
        f'<cellXfs count="{len(FORMATS) + 1}"><xf numFmtId="0"/>{cells}</cellXfs></styleSheet>'
    )
