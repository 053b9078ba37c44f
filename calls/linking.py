"""Which reports are of one call, and whose facts count. Pure: no database, no clock.

Rule: "How credits are consumed", 9. What is decided here follows from the reports alone, so the
order in which they came changes nothing.

- Reports with one call ID are of one call, whoever tells them.
- So are reports of several reporters with one carrier ID, under whatever call IDs; but a carrier ID
  links nothing where one reporter tells several calls with it (transfers), or where those calls
  started more than 24 hours apart (an ID that a system uses again: no charge is lost for that).
- Of the reports of one call the one of the highest reporter counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from calls.merging import MOVE_MAX
from calls.records import CallKey, CallRecord, without_numbers
from calls.reporters import DOOR_OF_FILES, FILES, Order

CarrierKey: TypeAlias = tuple[int, str]  # account and carrier ID


class Report(NamedTuple):
    """What one reporter tells of a call, under the ID that it gives the call.

    ``linked`` is the ID of the call that it was linked to when it was read; empty for a new one.
    """

    record: CallRecord
    import_id: int | None
    reported_at: datetime
    linked: str = ""


# The reports about each call ID, by the door that they came through.
ReportsByDoor: TypeAlias = Mapping[CallKey, Mapping[str, Report]]


class Group(NamedTuple):
    """All reports of one call, the one that counts first, and the carrier ID of the call."""

    reports: Sequence[Report]
    carrier_id: str

    @property
    def winner(self) -> Report:
        """The report whose facts count."""
        return self.reports[0]

    @property
    def keys(self) -> set[CallKey]:
        """The IDs that the call goes by, with its account."""
        return {report.record.key for report in self.reports}

    def without_numbers(self) -> "Group":
        """The same reports as they are kept of a call whose numbers were deleted."""
        return self._replace(
            reports=[
                report._replace(record=without_numbers(report.record)) for report in self.reports
            ]
        )


def groups_of(
    told: ReportsByDoor, order: Order, crowded: Collection[CarrierKey] = ()
) -> list[Group]:
    """Group all reports by the call that they are of, sorted by the IDs that come first in each.

    ``crowded`` carrier IDs are those of more calls than were read: they link nothing.
    """
    nodes = [_node(told[key].values(), order) for key in sorted(told) if told[key]]
    by_carrier: dict[CarrierKey, list[Group]] = defaultdict(list)
    for node in nodes:
        if node.carrier_id:
            by_carrier[node.winner.record.account_id, node.carrier_id].append(node)
    linked: dict[CallKey, CarrierKey] = {}
    for carrier, own in by_carrier.items():
        if len(own) > 1 and carrier not in crowded and _are_one_call(own):
            linked |= {node.winner.record.key: carrier for node in own}
    groups = []
    for node in nodes:
        common = linked.get(node.winner.record.key)
        if common is None:
            groups.append(node)
        elif by_carrier[common][0] is node:
            every = [report for one in by_carrier[common] for report in one.reports]
            groups.append(Group(_by_rank(every, order), node.carrier_id))
    return groups


def _node(reports: Iterable[Report], order: Order) -> Group:
    """The reports about one call ID. Its carrier ID is the one that the highest of them tells."""
    in_order = _by_rank(reports, order)
    told = (report.record.carrier_id for report in in_order)
    return Group(in_order, next(filter(None, told), ""))


def _by_rank(reports: Iterable[Report], order: Order) -> list[Report]:
    return sorted(
        reports, key=lambda report: (order.rank(report.record.reporter), report.record.call_id)
    )


def _are_one_call(nodes: Sequence[Group]) -> bool:
    """Whether ``nodes``, which have one carrier ID, are one call told by several reporters."""
    seen: set[str] = set()
    for node in nodes:
        own = {report.record.reporter for report in node.reports}
        if seen & own:
            return False
        seen |= own
    starts = [node.winner.record.started_at for node in nodes]
    return max(starts) - min(starts) <= MOVE_MAX


def without_repetition(reports: Mapping[str, Report], order: Order) -> dict[str, Report]:
    """``reports`` about one call ID, without that of our own CSV where it repeats a higher one.

    It says nothing new: our own export, for instance, is no other report of its calls.
    """
    others = {name: report for name, report in reports.items() if name != DOOR_OF_FILES}
    told = reports.get(DOOR_OF_FILES)
    if told is None or told.record.reporter != FILES or not others:
        return dict(reports)
    highest = _by_rank(others.values(), order)[0].record
    carriers = {"", *(report.record.carrier_id for report in others.values())}
    record = without_numbers(told.record) if highest.numbers_deleted else told.record
    repeats = record.facts == highest.facts and record.carrier_id in carriers
    return others if repeats else dict(reports)
