"""The activity log of all accounts for operators, to read."""

from datetime import UTC, tzinfo
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
)

from billing.models import AREAS, Activity, Area
from dashboard.activity.words import changes_of
from dashboard.operations.base import RecordAdmin


class AreaFilter(DropdownFilter):
    """Activities by what they are about."""

    title = "area"
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in Area.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep those of the area."""
        if self.value() not in Area.values:
            return queryset
        return queryset.filter(kind__in=AREAS[Area(self.value())])


@admin.register(Activity)
class ActivityAdmin(RecordAdmin):
    """Who changed what, newest first."""

    list_display = ("at", "account", "who", "visitor", "what", "changes_in_words")
    list_display_links = ("at",)
    list_filter = (
        ("account", AutocompleteSelectFilter),
        AreaFilter,
        ("by_user", AutocompleteSelectFilter),
        ("by_kind", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    fields = (
        ("at", "account"),
        ("who", "by_kind"),
        "visitor",
        "what",
        "changes_in_words",
        "reason",
    )
    shows_seconds = True

    def zone_of(self, record: Activity) -> tzinfo:
        """The account's; of what concerns no single one, UTC."""
        return record.account.zone if record.account is not None else UTC

    @admin.display(description="Who")
    def who(self, activity: Activity) -> str:
        """What the actor was called then."""
        return activity.by_name or activity.get_by_kind_display()

    @admin.display(description="What")
    def what(self, activity: Activity) -> str:
        """What was done, to what."""
        return f"{activity.label}: {activity.subject}" if activity.subject else activity.label

    @admin.display(description="Before and after")
    def changes_in_words(self, activity: Activity) -> SafeString | str:
        """Each value that was changed, a line each, and the reason that was given."""
        lines = [str(each) for each in changes_of(activity, zone=self.zone_of(activity))]
        if activity.reason:
            lines.append(f"“{activity.reason}”")
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or "–"
