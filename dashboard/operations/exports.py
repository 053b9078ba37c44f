"""Downloads of all accounts for operators: how they stand, made again, or deleted.

What is in a file is for whoever asked for it, and for no operator.
"""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from billing import clock
from billing.texts import grouped
from calls.exports import asking, telling
from calls.exports.standing import OPEN
from calls.models import Export, ExportState
from dashboard.exports.page import ExportPage, pages_of
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ChosenFilter
from dashboard.operations.record_actions import Outcome, Preview, RecordAction

LIST = "admin:calls_export_changelist"


def _page_of(export: Export) -> ExportPage:
    (page,) = pages_of([export], account=export.account, now=clock.now())
    return page


class ExportAction(RecordAction[Export]):
    """An action whose page names the account, the days and the person of the download."""

    def record_name(self) -> str:
        return "the download"

    @property
    def subject(self) -> str:
        """The download in a line."""
        page = _page_of(self.record)
        person = self.record.asked_by
        whose = person.email if person is not None else "nobody"
        return f"{self.record.account} · {page.days} · {page.rows_words} · {whose}"


class MakeExportAgain(ExportAction):
    """Make the same file from its beginning, for the person who asked for it."""

    name = "make_again"
    path = "make-again"
    label = "Make again"

    def preview(self) -> Preview:
        return Preview(
            title="Make this file again",
            subject=self.subject,
            about=[
                "What there is of it is deleted, and it is made from its beginning, with the same "
                "rows. The person is told by e-mail when it is ready.",
            ],
            button="Make it again",
        )

    def do(self, form: Any) -> Outcome:
        asking.make_anew(export=self.record, now=self.now)
        return Outcome(told="The file is being made again.", recorded="Made again.")


class DeleteExport(ExportAction):
    """Delete the file, or stop making it."""

    name = "delete_file"
    path = "delete-file"
    label = "Delete"

    def preview(self) -> Preview:
        return Preview(
            title="Delete this download",
            subject=self.subject,
            about=["The person can’t download it any more, and it leaves their list."],
            button="Delete it",
        )

    def do(self, form: Any) -> Outcome:
        asking.delete(export=self.record)
        return Outcome(told="The download is deleted.", recorded="Deleted.")

    def back(self, told: str, level: int = messages.ERROR) -> HttpResponse:
        """Lead to the list: the record is about to go."""
        messages.add_message(self.request, level, told)
        return redirect(LIST)


class AttentionFilter(ChosenFilter):
    """The downloads that an operator may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {"mail": ("Its mail does not go out", lambda now: telling.late(now=now))}


@admin.register(Export)
class ExportAdmin(RecordAdmin):
    """Every download that a worker makes, newest first."""

    list_display = ("days", "account", "asked_by", "created_at", "outcome", "rows_known", "stored")
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        AttentionFilter,
    )
    list_filter_submit = True
    list_select_related = ("account", "asked_by")
    record_actions = (MakeExportAgain, DeleteExport)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("days", "account"),
                    ("narrowed_to", "asked_by"),
                    ("outcome", "failures"),
                    ("rows_known", "rows"),
                    ("size_in_words", "stored"),
                    ("created_at", "ended_at"),
                    ("expires_at", "moved_at"),
                    ("mailed_at", "seen_at"),
                )
            },
        ),
    )

    @admin.display(description="Calls of")
    def days(self, export: Export) -> str:
        """Its days."""
        return _page_of(export).days

    @admin.display(description="Filters")
    def narrowed_to(self, export: Export) -> str:
        """What its rows are narrowed to."""
        return ", ".join(_page_of(export).narrowed_to) or "–"

    @admin.display(description="State")
    def outcome(self, export: Export) -> str:
        """How it stands, and why."""
        said = export.said if export.state in (ExportState.FAILED, ExportState.MAKING) else ""
        return f"{_page_of(export).label}. {said}" if said else _page_of(export).label

    @admin.display(description="Rows expected")
    def rows_known(self, export: Export) -> str:
        """How many rows it has, or is to have."""
        return grouped(_page_of(export).rows)

    @admin.display(description="Size")
    def size_in_words(self, export: Export) -> str:
        """How large the file is."""
        return filesizeformat(export.size)

    @admin.display(description="Stored")
    def stored(self, export: Export) -> str:
        """How much room it takes in the database."""
        return filesizeformat(export.stored_size if export.state in OPEN else 0)
