"""Files of call records, and what the command that imports them says."""

import csv
import io

from django.core.management import CommandError, call_command

HEADER = "call_id,usage_type,status,started_at,connected_at,ended_at"
GOOD = "{},outbound,completed,2026-03-10T09:30:00,2026-03-10T09:30:05,2026-03-10T09:31:{:02}"
ASTERISK = (
    '"","+911","+912","default","","SIP/1","","Dial","","2026-03-10 09:30:00",'
    '"2026-03-10 09:30:05","2026-03-10 09:31:10",70,65,"ANSWERED","DOCUMENTATION","{}",""'
)


class Outcome:
    """How a command ended: exit code (None: as usual), and what it wrote."""

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
        self.out, self.error = out.getvalue(), error.getvalue()


def rejects(tmp_path, name="calls.csv.rejects.csv"):
    with (tmp_path / name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def lines(*more):
    return "\n".join([HEADER, *more, ""])
