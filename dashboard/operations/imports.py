"""Imports of call records for operators: those of all accounts in one list, to read.

What is done with one is done on its own page, as the people of its account do it; those pages let
operators in.
"""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from billing import clock
from billing.texts import grouped
from calls.imports.selectors import failed_imports
from calls.models import FileImport
from dashboard.imports.standing import list_row
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ChosenFilter


class AttentionFilter(ChosenFilter):
    """The imports that somebody may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {"failed": ("Failed, and can go on", lambda now: failed_imports())}


@admin.register(FileImport)
class FileImportAdmin(RecordAdmin):
    """Every import, newest first."""

    list_display = ("file_name", "account", "created_at", "by", "outcome", "credits", "own_page")
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("state", ChoicesDropdownFilter),
        AttentionFilter,
    )
    list_filter_submit = True
    list_select_related = ("account", "started_by")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("file_name", "account"),
                    ("by", "own_page"),
                    ("state", "outcome"),
                    ("size_in_words", "credits"),
                    ("created_at", "ended_at"),
                    ("file_deleted_at", "moved_at"),
                )
            },
        ),
    )

    @admin.display(description="By")
    def by(self, file_import: FileImport) -> str:
        """Who uploaded it."""
        return list_row(file_import, account=file_import.account, now=clock.now()).by

    @admin.display(description="Outcome")
    def outcome(self, file_import: FileImport) -> str:
        """How it stands, in the words of the account's own list."""
        row = list_row(file_import, account=file_import.account, now=clock.now())
        return f"{row.state}. {row.words}" if row.words else row.state

    @admin.display(description="Credits")
    def credits(self, file_import: FileImport) -> str:
        """What its calls were charged."""
        row = list_row(file_import, account=file_import.account, now=clock.now())
        return "–" if row.credits is None else grouped(row.credits)

    @admin.display(description="Size")
    def size_in_words(self, file_import: FileImport) -> str:
        """How large the file is."""
        return filesizeformat(file_import.size)

    @admin.display(description="Its page")
    def own_page(self, file_import: FileImport) -> SafeString:
        """The page on which it is tried, imported and taken back."""
        address = reverse(
            "dashboard:import_page", args=[file_import.account.slug, file_import.public_id]
        )
        return format_html('<a href="{}" class="text-link">Open</a>', address)
