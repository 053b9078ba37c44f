"""How an import stands, as its page and the list say it, and what can be done now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from billing.models import Account, User
from billing.texts import grouped, in_credits
from calls.imports import selectors, steps, uploads
from calls.imports.summaries import Summary, Trial
from calls.models import FileImport, ImportState
from dashboard.imports import outcome
from dashboard.imports.outcome import OutcomePanel, counted

S = ImportState
MOVING: Final = frozenset({S.EXAMINING, S.TRYING, S.IMPORTING, S.WITHDRAWING})
TITLES: Final[Mapping[str, str]] = {
    S.UPLOADING: "The upload is not finished",
    S.EXAMINING: "Looking at the file",
    S.READY: "Ready to be tried",
    S.TRYING: "Trying it",
    S.TRIED: "Tried: nothing is recorded yet",
    S.IMPORTING: "Importing",
    S.STOPPED: "Stopped",
    S.DONE: "Imported",
    S.REFUSED: "This file can’t be read",
    S.FAILED: "Something went wrong on our side",
    S.WITHDRAWING: "Taking it back",
    S.WITHDRAWN: "Taken back",
}
GIVEN_UP: Final = "The file was deleted"
LIST_WORDS: Final[Mapping[str, str]] = {
    **TITLES,
    S.UPLOADING: "Upload not finished",
    S.EXAMINING: "Looking at the file",
    S.READY: "Waits for a trial run",
    S.TRIED: "Tried",
    S.REFUSED: "Can’t be read",
    S.FAILED: "Failed",
}
TAGS: Final[Mapping[str, str]] = {
    S.DONE: "positive",
    S.STOPPED: "warning",
    S.REFUSED: "danger",
    S.FAILED: "danger",
}
TEMPLATES: Final[Mapping[str, str]] = {
    S.UPLOADING: "uploading",
    S.READY: "ready",
    S.TRIED: "tried",
    **dict.fromkeys(MOVING, "moving"),
}
STOP_WORDS: Final[Mapping[str, str]] = {S.TRYING: "Stop the trial run", S.IMPORTING: "Stop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """An import in the list."""

    file_import: FileImport
    by: str
    state: str
    tag: str
    words: str
    is_moving: bool
    share: float | None
    calls: int | None
    credits: int | None


class Standing:
    """How one import stands at ``now``, and what ``by`` can do about it."""

    def __init__(
        self, file_import: FileImport, *, account: Account, by: User | None, now: datetime
    ) -> None:
        self.file_import = file_import
        self.account = account
        self.by = by
        self.now = now
        self.state = ImportState(file_import.state)

    # ── What it is called ─────────────────────────────────────────────────────────────────────
    @property
    def face(self) -> str:
        """The look of its panel."""
        return str(self.state.value)

    @property
    def title(self) -> str:
        """How it stands, in a few words."""
        return TITLES[self.state] if not self.is_given_up else GIVEN_UP

    @property
    def template(self) -> str:
        """What stands under the title."""
        name = "ended" if self.is_given_up else TEMPLATES.get(self.state, "ended")
        return f"dashboard/imports/states/{name}.html"

    @cached_property
    def trial(self) -> Trial:
        """What the trial run found."""
        return Trial.from_json(self.file_import.trial)

    @cached_property
    def summary(self) -> Summary:
        """What was done so far: tried, while it is tried, else recorded."""
        if self.state in (S.TRYING, S.TRIED):
            return self.trial.summary
        return selectors.summary_of(self.file_import)

    # ── Progress ──────────────────────────────────────────────────────────────────────────────
    @property
    def is_moving(self) -> bool:
        """Whether a worker is at it."""
        return self.state in MOVING

    @cached_property
    def waits_for(self) -> FileImport | None:
        """The import of the account that has to end first."""
        return selectors.waits_for(self.file_import) if self.is_moving else None

    @property
    def share(self) -> float | None:
        """How much of what it is doing is done, from 0 to 1; None where that can't be told."""
        found = self.file_import
        if self.state not in (S.TRYING, S.IMPORTING):
            return None
        if not found.is_staged:
            return None if found.is_unpacked else min(1.0, found.bytes_read / (found.size or 1)) / 2
        read = 0.5 if self.state == S.TRYING else 0.0
        done = min(1.0, self.summary.lines_done / (found.staged_lines or 1))
        return read + (1 - read) * done

    @property
    def progress_words(self) -> str:
        """How far it is, in words."""
        found = self.file_import
        if self.waits_for is not None:
            return f"It begins when “{self.waits_for.file_name}” is done: one after the other."
        if self.state == S.EXAMINING and found.bytes_read:
            return f"Reading the file: {filesizeformat(found.bytes_read)} looked at"
        if self.state not in (S.TRYING, S.IMPORTING):
            return ""
        if not found.is_staged:
            return f"Reading the file: {filesizeformat(found.bytes_read)} read"
        done = counted(found.staged_lines, "line")
        verb = "tried" if self.state == S.TRYING else "recorded"
        return f"{grouped(min(self.summary.lines_done, found.staged_lines))} of {done} {verb}"

    @property
    def may_stop(self) -> bool:
        """Whether it can be stopped in the middle."""
        return self.state in STOP_WORDS

    @property
    def stop_words(self) -> str:
        """What the button that stops it says."""
        return STOP_WORDS[self.state]

    # ── What can be done ──────────────────────────────────────────────────────────────────────
    @property
    def has_file(self) -> bool:
        """Whether its file is still there."""
        return self.file_import.file_deleted_at is None and not self.file_import.is_command

    @property
    def is_given_up(self) -> bool:
        """Whether its file was deleted before anything was recorded from it."""
        return self.state in (S.READY, S.TRIED) and self.file_import.file_deleted_at is not None

    @property
    def kept_until(self) -> datetime:
        """When the file is deleted by itself."""
        return self.file_import.created_at + uploads.file_kept_for()

    @property
    def has_recorded(self) -> bool:
        """Whether it has recorded or changed any call."""
        recorded = selectors.summary_of(self.file_import)
        return bool(recorded.created or recorded.corrected)

    @property
    def take_back_until(self) -> datetime:
        """Until when those who imported may take it back."""
        began = self.file_import.ended_at or self.file_import.moved_at
        return began + steps.WITHDRAWABLE_FOR

    @cached_property
    def may_take_back(self) -> bool:
        """Whether it, or what was kept of it, can be taken back now."""
        return (
            (
                self.state in (S.DONE, S.STOPPED, S.FAILED)
                or (self.state == S.WITHDRAWN and steps.has_more(self.file_import))
            )
            and self.has_recorded
            and steps.may_withdraw(file_import=self.file_import, by=self.by, now=self.now)
        )

    @property
    def may_go_on(self) -> bool:
        """Whether what was interrupted can go on."""
        return self.has_file and self.state in (S.STOPPED, S.FAILED)

    @property
    def may_again(self) -> bool:
        """Whether the same file can be imported once more."""
        return self.has_file and self.state in (S.DONE, S.WITHDRAWN)

    @property
    def is_refused(self) -> bool:
        """Whether the file could not be read."""
        return self.state == S.REFUSED

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was taken back."""
        return self.state == S.WITHDRAWN

    @property
    def is_uploading(self) -> bool:
        """Whether parts of the file are missing."""
        return self.state == S.UPLOADING

    @property
    def has_rejects(self) -> bool:
        """Whether there are lines to download that were left out."""
        return self.has_file and self.state in (S.DONE, S.STOPPED) and bool(self.summary.rejected)

    @property
    def is_changeable(self) -> bool:
        """Whether it can still be said how the file is read."""
        return self.has_file and self.state in (S.READY, S.TRIED, S.REFUSED)

    # ── Words ─────────────────────────────────────────────────────────────────────────────────
    @property
    def import_words(self) -> str:
        """What the button says that imports; "" where there is nothing to import."""
        summary = self.trial.summary
        if not self.has_file or not (summary.created or summary.corrected):
            return ""
        if not summary.created:
            return f"Correct {counted(summary.corrected, 'call')}"
        return f"Import {counted(summary.created, 'call')}"

    @property
    def recorded_words(self) -> str:
        """What taking it back does to calls."""
        summary = self.summary
        said = [f"{counted(summary.created, 'call')} that it recorded will be withdrawn."]
        if summary.corrected:
            said.append(f"{counted(summary.corrected, 'call')} that it corrected become as before.")
        return " ".join(said)

    @property
    def credits_words(self) -> str:
        """What taking it back does to credits."""
        return self.returned_words(self.summary.credits)

    @staticmethod
    def returned_words(credits: int) -> str:
        """How credits come back; below zero: were given back, and are charged again."""
        if credits < 0:
            return f"{in_credits(-credits)} charged again."
        return f"{in_credits(credits)} back, each to where it came from."

    @property
    def delete_words(self) -> str:
        """What deleting the file means now."""
        rest = {
            S.DONE: "The lines left out can’t be downloaded any more.",
            S.WITHDRAWN: "To import it once more, it must be uploaded again.",
            S.STOPPED: "The rest can’t be imported any more.",
            S.FAILED: "The rest can’t be imported any more.",
        }.get(self.state, "To import it later, it must be uploaded again.")
        return f"{self.recorded_from_it} {rest}"

    @property
    def recorded_from_it(self) -> str:
        """What of the file is recorded, whatever becomes of the file itself."""
        if not self.has_recorded:
            return "Nothing was recorded from it."
        if self.state == S.WITHDRAWN:
            return "This import was taken back."
        stays = "The calls that were recorded from it stay"
        return (
            f"{stays}, and the import can still be taken back."
            if self.may_take_back
            else f"{stays}."
        )

    def address(self, name: str) -> str:
        """The address of a page of this import."""
        return reverse(f"dashboard:{name}", args=[self.account.slug, self.file_import.public_id])


def list_row(file_import: FileImport, *, account: Account, now: datetime) -> ListRow:
    """Say in a row how an import stands, without a query."""
    standing = Standing(file_import, account=account, by=None, now=now)
    summary = standing.summary
    has_result = standing.state in (S.IMPORTING, S.STOPPED, S.DONE, S.FAILED) and summary.lines_done
    state = LIST_WORDS[standing.state]
    if standing.state == S.READY and file_import.examined.get("questions"):
        state = "Waits for an answer"
    if standing.is_given_up:
        state = "File deleted"
    if standing.state == S.UPLOADING and file_import.file_deleted_at is not None:
        state = "Upload stopped"
    by = file_import.started_by.email if file_import.started_by else ""
    return ListRow(
        file_import=file_import,
        by=by or ("on the server" if file_import.is_command else "somebody who has left"),
        state=state,
        tag=TAGS.get(standing.state, ""),
        words=outcome.import_in_words(summary) if has_result else file_import.said,
        is_moving=standing.is_moving,
        share=standing.share,
        calls=summary.created + summary.corrected if has_result else None,
        credits=summary.credits if has_result else None,
    )


def panel_of(standing: Standing, *, balance: int) -> OutcomePanel | None:
    """What the trial run or the import came to; None before there is anything."""
    if standing.state == S.TRIED:
        return outcome.of_trial(standing.trial, balance=balance, zone=standing.account.zone)
    if standing.state in (S.STOPPED, S.DONE, S.WITHDRAWN) and standing.summary.lines_done:
        return outcome.of_import(standing.summary, is_withdrawn=standing.is_withdrawn)
    return None
