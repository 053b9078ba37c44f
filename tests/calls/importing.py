"""Files of call records, and what the command that imports them says."""

import csv
import io
import re

from django.core.management import CommandError, call_command

from calls.notations.rejected import COLUMNS

IMPORT_ID = re.compile(r"^.*This is import (\d+); --withdraw \d+ takes it back\.\n", re.MULTILINE)

HEADER = "call_id,usage_type,status,started_at,connected_at,ended_at"
GOOD = "{},outbound,completed,2026-03-10T09:30:00,2026-03-10T09:30:05,2026-03-10T09:31:{:02}"
ASTERISK = (
    '"","+911","+912","default","","SIP/1","","Dial","","2026-03-10 09:30:00",'
    '"2026-03-10 09:30:05","2026-03-10 09:31:10",70,65,"ANSWERED","DOCUMENTATION","{}",""'
)


class Outcome:
    """How a command ended: exit code, what it wrote, and the ID of the import that it told last."""

    def __init__(self, *args, **options):
        out, error = io.StringIO(), io.StringIO()
        self.code = 0
        self.refusal = ""
        try:
            call_command("import_calls", *args, **options, stdout=out, stderr=error)
        except CommandError as refusal:
            self.code, self.refusal = refusal.returncode, str(refusal)
        except SystemExit as end:
            self.code = int(end.code or 0)
        self.out, self.error = IMPORT_ID.sub("", out.getvalue()), error.getvalue()
        told = IMPORT_ID.search(out.getvalue())
        self.import_id = told[1] if told else ""


def rejects(tmp_path, name="calls.csv.rejects.csv"):
    """A file of rejected lines as rows: number, field, reason, and the line as it came."""
    content = (tmp_path / name).read_bytes().decode(errors="surrogateescape")
    rows = [["line", "field", "reason", "text"]]
    reader = csv.reader(content.splitlines(keepends=True))
    ended = 0
    for values in reader:
        text = "".join(content.splitlines(keepends=True)[ended : reader.line_num])
        ended = reader.line_num
        if values[-3:] == list(COLUMNS):
            continue
        told = io.StringIO()
        csv.writer(told, lineterminator="\n").writerow(values[-3:])
        came = text.removesuffix("," + told.getvalue()).rstrip(",")
        ours = (
            value.removeprefix(f"{name} ") for name, value in zip(COLUMNS, values[-3:], strict=True)
        )
        rows.append([*ours, came])
    return rows


def lines(*more):
    return "\n".join([HEADER, *more, ""])
