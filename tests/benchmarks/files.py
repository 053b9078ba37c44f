"""How fast the calls of a file are recorded, against `record_calls` with the same records.

`make bench BENCH=files`. The file is one of our own CSV: read, found out, validated, recorded and
summed up by `import_calls`, in this process; the same calls as records, in batches of the
same size, go to another account. Both take turns, and medians are compared.
"""

from tests.benchmarks.database import own_database  # isort: split

import argparse
import csv
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from django.core.management import call_command

from calls.records import CallRecord
from tests.benchmarks.record_calls import make_accounts, make_batches, record

HEADER = "call_id,usage_type,status,started_at,connected_at,ended_at,agent,from,to"


def write(records: Sequence[CallRecord], path: Path) -> None:
    """The file that says the same."""
    with path.open("w", newline="") as file:
        file.write(f"{HEADER}\n")
        writer = csv.writer(file)
        for one in records:
            times = (one.started_at, one.connected_at, one.ended_at)
            writer.writerow(
                [
                    *(one.call_id, one.usage_type, one.status),
                    *(at and at.isoformat() for at in times),
                    *(one.agent, one.from_number, one.to_number),
                ]
            )


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long ``work`` takes, and how much of it this process computes."""
    wall, own = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - own


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how fast files are imported.")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    imported, recorded = [], []
    with own_database(), tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "calls.csv"
        of_file, of_records = make_accounts(2)
        for repeat in range(options.repeats):
            batches = make_batches(options.rows, [of_records.pk], repeat)
            write([one for batch in batches for one in batch], path)
            out = io.StringIO()
            run = partial(call_command, "import_calls", path, account=of_file.slug, stdout=out)
            imported.append(seconds(run))
            assert f"{options.rows:,}" in out.getvalue(), out.getvalue()
            recorded.append(seconds(partial(record, batches)))
    for name, took in (("import_calls", imported), ("record_calls", recorded)):
        wall, own = (statistics.median(one) for one in zip(*took, strict=True))
        each, here = (1e6 * one / options.rows for one in (wall, own))
        print(
            f"{name:<14}{1e6 / each:>9,.0f} a second: {each:.1f} µs each, {here:.1f} of them here"
        )


if __name__ == "__main__":
    main()
