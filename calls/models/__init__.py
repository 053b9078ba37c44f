"""The tables of calls, one concept a file."""

from calls.models.call import (
    CARRIER_ID_LENGTH_MAX,
    NUMBER_LENGTH_MAX,
    UNCONNECTED,
    Call,
    Status,
)
from calls.models.call_report import CallReport
from calls.models.call_source import CallSource, PullState
from calls.models.export import Export, ExportPart, ExportState
from calls.models.file_import import (
    FileImport,
    ImportPart,
    ImportReject,
    ImportState,
    MappingProfile,
    StagedLine,
)
from calls.models.inbox_event import EventState, InboxEvent, OpenEvent, Via
from calls.models.numbers_progress import NumbersProgress
from calls.models.order_change import OrderChange
from calls.models.overtaken import OvertakenCall

__all__ = [
    "CARRIER_ID_LENGTH_MAX",
    "NUMBER_LENGTH_MAX",
    "UNCONNECTED",
    "Call",
    "CallReport",
    "CallSource",
    "EventState",
    "Export",
    "ExportPart",
    "ExportState",
    "FileImport",
    "ImportPart",
    "ImportReject",
    "ImportState",
    "InboxEvent",
    "MappingProfile",
    "NumbersProgress",
    "OpenEvent",
    "OrderChange",
    "OvertakenCall",
    "PullState",
    "StagedLine",
    "Status",
    "Via",
]
