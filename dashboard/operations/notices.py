"""The notices about credits, for operators to read."""

from datetime import tzinfo

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from billing.models import Notice
from billing.notices import due
from dashboard.operations.base import RecordAdmin
from dashboard.operations.filters import ChosenFilter


class AttentionFilter(ChosenFilter):
    """The notices that an operator may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {"mail": ("Its mail does not go out", lambda now: due.late(now=now))}


@admin.register(Notice)
class NoticeAdmin(RecordAdmin):
    """The e-mails about credits: to whom, about what, and whether they went."""

    list_display = ("kind", "person", "created_at", "sent_at", "suppressed")
    list_filter = (("kind", ChoicesDropdownFilter), AttentionFilter)
    list_select_related = ("account",)
    fields = ("kind", "person", "reference", "created_at", "due_at", "sent_at", "suppressed")

    def zone_of(self, record: Notice) -> tzinfo:
        """That of the account it is about."""
        return record.account.zone

    @admin.display(description="Person")
    def person(self, notice: Notice) -> str:
        """Who, in which account."""
        return f"{notice.address} ({notice.account})"
