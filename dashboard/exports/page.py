"""What pages say of an export, all of it read before they are rendered."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.urls import reverse

from billing.models import Account, Kind
from billing.models.ledger import USAGE_TYPES
from billing.texts import grouped
from calls.exports import files, limits
from calls.models import Export, ExportState, FileImport
from calls.usage.filters import agent_in_words
from calls.usage.periods import days_in_words

S = ExportState
TITLES: Final[Mapping[str, str]] = {
    S.MAKING: "Your file is being made",
    S.READY: "Your file is ready",
    S.FAILED: "The file could not be made",
    S.CANCELLED: "Cancelled",
    S.EXPIRED: "The file has been deleted",
}
LIST_WORDS: Final[Mapping[str, str]] = {
    S.MAKING: "Being made",
    S.READY: "Ready",
    S.FAILED: "Failed",
    S.CANCELLED: "Cancelled",
    S.EXPIRED: "Deleted",
}
TAGS: Final[Mapping[str, str]] = {S.READY: "positive", S.FAILED: "danger"}
# The looks that the pages of top-ups and imports have already.
FACES: Final[Mapping[str, str]] = {
    S.MAKING: "importing",
    S.READY: "done",
    S.FAILED: "failed",
    S.CANCELLED: "cancelled",
    S.EXPIRED: "expired",
}
LOST = "The file is not here any more: it was not part of a backup. Have it made again."
LOOK_AGAIN_SECONDS = 1
LOOK_AGAIN_LATER_SECONDS = 3
SOON_SECONDS = 30


class ExportPage:
    """One export, for its page, the list, the banner, and the mail."""

    def __init__(
        self, export: Export, *, account: Account, now: datetime, file_names: Mapping[int, str]
    ) -> None:
        self.export = export
        self.account = account
        self.now = now
        self.state = S(export.state)
        self._file_names = file_names

    # ── What it is of ─────────────────────────────────────────────────────────────────────────
    @property
    def zone(self) -> ZoneInfo:
        """That of its days and times."""
        return ZoneInfo(self.export.time_zone)

    @property
    def days(self) -> str:
        """Its days in words."""
        return days_in_words(self.export.first_day, self.export.last_day)

    @property
    def narrowed_to(self) -> list[str]:
        """What the filters left: "Usage type: Outbound"."""
        export = self.export
        said = []
        if export.import_id is not None:
            said.append(f"Import: {self._file_names.get(export.import_id, 'of a file')}")
        if export.usage_type:
            said.append(f"Usage type: {dict(USAGE_TYPES)[export.usage_type]}")
        if export.kind:
            said.append(f"Kind of row: {Kind(export.kind).label}")
        if export.agent:
            said.append(agent_in_words(export.agent))
        return said

    @property
    def rows(self) -> int:
        """How many rows it has, or is to have."""
        is_known = self.state in (S.READY, S.EXPIRED)
        return self.export.rows if is_known else self.export.rows_expected

    @property
    def rows_words(self) -> str:
        """The same with the word."""
        return f"{grouped(self.rows)} row{'' if self.rows == 1 else 's'}"

    # ── How it stands ─────────────────────────────────────────────────────────────────────────
    @property
    def title(self) -> str:
        """How it stands, in a few words."""
        return TITLES[self.state]

    @property
    def label(self) -> str:
        """The same in one word."""
        return LIST_WORDS[self.state]

    @property
    def tag(self) -> str:
        """The colour of that word."""
        return TAGS.get(self.state, "")

    @property
    def face(self) -> str:
        """The look of its panel."""
        return FACES[self.state]

    @property
    def is_making(self) -> bool:
        """Whether a worker is at it, or will be."""
        return self.state == S.MAKING

    @property
    def is_ready(self) -> bool:
        """Whether it can be downloaded."""
        return self.state == S.READY

    @property
    def is_failed(self) -> bool:
        """Whether it could not be made."""
        return self.state == S.FAILED

    @property
    def is_expired(self) -> bool:
        """Whether there was a file, for as long as files are kept."""
        return self.state == S.EXPIRED

    @property
    def share(self) -> float | None:
        """How much of it is there, from 0 to 1; None before it has begun."""
        if not self.export.pieces:
            return None
        return min(1.0, self.export.rows / (self.export.rows_expected or 1))

    @property
    def progress_words(self) -> str:
        """How far it is."""
        if not self.export.pieces:
            if self.export.failures > 1:
                return "It did not work at once. It is attempted again by itself."
            return "Waiting for its turn"
        return f"{grouped(min(self.export.rows, self.rows))} of {self.rows_words}"

    @property
    def said(self) -> str:
        """Why it has failed."""
        return self.export.said

    # ── Addresses ─────────────────────────────────────────────────────────────────────────────
    @property
    def url(self) -> str:
        """Its page."""
        return self._address("export_page")

    @property
    def file_url(self) -> str:
        """The file."""
        return self._address("export_file")

    @property
    def usage_url(self) -> str:
        """Call Usage & Credits with the same days and filters, as they are now."""
        export = self.export
        query = {
            "period": "custom",
            "from": export.first_day.isoformat(),
            "to": export.last_day.isoformat(),
            "usage_type": export.usage_type,
            "kind": export.kind,
            "agent": export.agent,
        }
        asked = {name: value for name, value in query.items() if value}
        return reverse("dashboard:usage", args=[self.account.slug], query=asked)

    @property
    def look_again_url(self) -> str:
        """What an open page asks for: the same state is answered with how far it is only."""
        return f"{self.url}?shown={self.state.value}"

    @property
    def look_again_seconds(self) -> int:
        """How long until it asks again."""
        lasts = (self.now - self.export.created_at).total_seconds()
        return LOOK_AGAIN_SECONDS if lasts < SOON_SECONDS else LOOK_AGAIN_LATER_SECONDS

    def _address(self, name: str) -> str:
        return reverse(f"dashboard:{name}", args=[self.account.slug, self.export.public_id])


def pages_of(exports: Iterable[Export], *, account: Account, now: datetime) -> list[ExportPage]:
    """What is shown of ``exports``; one query where there are some of imports."""
    exports = list(exports)
    import_ids = {each.import_id for each in exports if each.import_id is not None}
    names: dict[int, str] = {}
    if import_ids:
        own = FileImport.objects.filter(account=account, pk__in=import_ids)
        names = dict(own.values_list("pk", "file_name"))
    return [ExportPage(each, account=account, now=now, file_names=names) for each in exports]


def is_lost(page: ExportPage) -> bool:
    """Whether the file should be there, and is not. One query where it should."""
    return page.is_ready and not files.is_whole(page.export)


KEPT_HOURS = int(limits.KEPT_FOR.total_seconds() // 3600)
