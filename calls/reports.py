"""Reports of calls as the database has them: finding those that belong together, and storing them.

`calls.reconciling` decides what to store.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from django.db import connection

from billing.bulk import among, as_array, as_arrays, copy_rows
from calls import stored
from calls.linking import CarrierKey, Report
from calls.models import CallReport
from calls.records import STORED, CallKey, CallRecord
from calls.reporters import door
from calls.stored import StoredCall

ReportKey: TypeAlias = tuple[CallKey, str]  # of which call ID, and the door that it came through

# So many calls of one carrier ID are read: whatever number of reporters an account has, more can't
# be one call.
CARRIER_CALLS_MAX = 20

# Whoever links calls of an account holds its lock: one at a time.
_LOCK_CLASS = 9 << 40

_COLUMNS = (*STORED, "import_id", "reported_at", "linked_call_id")
_values_of = attrgetter(
    *(f"record.{name}" for name in STORED), "import_id", "reported_at", "linked"
)


class StoredReport(NamedTuple):
    """A row of the table."""

    id: int
    report: Report

    @property
    def key(self) -> ReportKey:
        """Of which call ID, and the door that it came through."""
        return key_of_record(self.report.record)


def key_of_record(record: CallRecord) -> ReportKey:
    """Of which call ID ``record`` is, and the door that it came through."""
    return record.key, door(record.reporter)


class Family(NamedTuple):
    """Calls and reports that may belong together.

    ``calls`` are all calls that have, or whose reports have, one of their IDs or carrier IDs, and
    ``reports`` the rows of all reports of those. ``crowded`` carrier IDs are those of so many calls
    that not all were read.
    """

    calls: Mapping[CallKey, StoredCall]
    reports: Sequence[StoredReport]
    crowded: Collection[CarrierKey]


def lock_accounts(account_ids: Collection[int]) -> None:
    """Until the transaction ends, nobody else links calls of these accounts."""
    if not account_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_advisory_xact_lock({_LOCK_CLASS} + id)"
            " FROM unnest(%s::bigint[]) AS ids (id)",
            [as_array(sorted(account_ids))],
        )


def read_family(keys: Iterable[CallKey], carriers: Iterable[CarrierKey]) -> Family:
    """Read all calls and reports that may belong together with these. Without a lock on calls."""
    calls: dict[CallKey, StoredCall] = {}
    reports: dict[int, StoredReport] = {}
    crowded: set[CarrierKey] = set()
    asked_keys: set[CallKey] = set()
    asked_carriers: set[CarrierKey] = set()
    new_keys, new_carriers = set(keys), set(carriers)
    while new_keys or new_carriers:
        found_calls = stored.read_related(new_keys, new_carriers, limit=CARRIER_CALLS_MAX)
        found_reports = _read(new_keys, new_carriers)
        asked_keys |= new_keys
        asked_carriers |= new_carriers
        calls |= {call.record.key: call for call in found_calls}
        reports |= {report.id: report for report in found_reports}
        new_keys = {call.record.key for call in found_calls}
        new_carriers = {_carrier(call.record) for call in found_calls if call.record.carrier_id}
        for _, report in found_reports:
            new_keys |= {report.record.key, (report.record.account_id, report.linked)}
            if report.record.carrier_id:
                new_carriers.add(_carrier(report.record))
        new_keys -= asked_keys
        new_carriers -= asked_carriers
    told: dict[CarrierKey, int] = defaultdict(int)
    for call in calls.values():
        told[_carrier(call.record)] += 1
    for report_row in reports.values():
        told[_carrier(report_row.report.record)] += 1
    crowded = {carrier for carrier, times in told.items() if times >= CARRIER_CALLS_MAX}
    return Family(calls, list(reports.values()), crowded)


def _carrier(record: CallRecord) -> CarrierKey:
    return record.account_id, record.carrier_id


def _read(keys: Collection[CallKey], carriers: Collection[CarrierKey]) -> list[StoredReport]:
    """Reports with one of the call IDs or carrier IDs, or that are linked to one of the calls."""
    found = []
    parameters: list[str] = []
    if keys:
        by_id = "SELECT own.id FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, call_id)"
        for name in ("call_id", "linked_call_id"):
            found.append(
                f"""{by_id} CROSS JOIN LATERAL (
                    SELECT id FROM calls_callreport report
                     WHERE report.account_id = asked.account_id
                       AND report.{name} = asked.call_id OFFSET 0) own"""
            )
            parameters += as_arrays(keys)
    if carriers:
        found.append(
            f"""SELECT own.id
                  FROM unnest(%s::bigint[], %s::text[]) AS asked (account_id, carrier_id)
                 CROSS JOIN LATERAL (
                    SELECT id FROM calls_callreport report
                     WHERE report.account_id = asked.account_id
                       AND report.carrier_id = asked.carrier_id AND report.carrier_id <> ''
                     LIMIT {CARRIER_CALLS_MAX}) own"""
        )
        parameters += as_arrays(carriers)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, import_id, reported_at, linked_call_id, {", ".join(STORED)}
              FROM calls_callreport WHERE id = ANY(ARRAY({" UNION ".join(found)}))
            """,
            parameters,
        )
        return [
            StoredReport(row_id, Report(stored.record_of(facts), import_id, reported_at, linked))
            for row_id, import_id, reported_at, linked, *facts in cursor.fetchall()
        ]


def of_import(*, account_id: int, import_id: int, limit: int) -> list[CallKey]:
    """Keys of the call IDs about which the import was the last to report, at most ``limit``."""
    reports = CallReport.objects.filter(account_id=account_id, import_id=import_id)
    return list(reports.order_by().values_list("account_id", "call_id")[:limit])


def calls_of(*, account_id: int, call_ids: Collection[str]) -> dict[str, str]:
    """By ID, which call those of ``call_ids`` are linked to that are told by several."""
    reports = CallReport.objects.filter(account_id=account_id, call_id__in=call_ids)
    return dict(reports.order_by("id").values_list("call_id", "linked_call_id"))


def replace(known: Iterable[StoredReport], wanted: Iterable[Report]) -> None:
    """Store ``wanted`` in place of ``known``: rows that stay the same are not written."""
    before = {row.key: row for row in known}
    after = {key_of_record(report.record): report for report in wanted}
    gone = [row.id for key, row in before.items() if after.get(key) != row.report]
    come = [
        report for key, report in after.items() if key not in before or before[key].report != report
    ]
    if gone:
        CallReport.objects.filter(pk__in=among(gone)).delete()
    copy_rows(CallReport, _COLUMNS, [_values_of(report) for report in come])
