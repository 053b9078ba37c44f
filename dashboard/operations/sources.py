"""Sources of calls for operators: those of all accounts, what they sent, and trying it again.

What is set up is changed on the source's own page, which lets operators in.
"""

from datetime import tzinfo
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    DropdownFilter,
)

from billing import clock
from billing.texts import grouped
from calls.inbox import selectors, silence
from calls.inbox.again import replay
from calls.models import CallSource, EventState, InboxEvent, OpenEvent
from calls.tasks import queue_drain
from calls.usage.call import call_id_of
from dashboard.operations.base import RecordAdmin, local_time
from dashboard.operations.filters import ChosenFilter
from dashboard.operations.record_actions import Outcome, Preview, RecordAction
from dashboard.sources.page import Standing

AGAIN = (
    "It changes nothing that is right already: a call is charged once, however often it is "
    "reported. A call that was withdrawn is recorded anew."
)
NOT_TRIED = {
    EventState.WAITING: "It is on the way to be recorded already.",
    EventState.HELD: "It is held back: it is recorded when its source goes on.",
}


class ReplayEvents(RecordAction[CallSource]):
    """Have everything that is kept of a source recorded again."""

    name = "replay"
    path = "replay"
    label = "Replay"

    def preview(self) -> Preview:
        events = InboxEvent.objects.filter(source=self.record).count()
        return Preview(
            title="Replay what it sent",
            subject=f"{self.record.account} · {self.record.name}",
            about=[
                f"All of its {grouped(events)} event{pluralize(events)} that are kept are read and "
                f"recorded again. {AGAIN}"
            ],
            button="Replay",
        )

    def do(self, form: Any) -> Outcome:
        count = replay(source=self.record)
        queue_drain()
        told = f"{grouped(count)} event{pluralize(count)} are on the way to be recorded again."
        return Outcome(told=told, recorded=f"Replayed {grouped(count)} event{pluralize(count)}.")


class TryEventAgain(RecordAction[InboxEvent]):
    """Have one event recorded again."""

    name = "again"
    path = "again"
    label = "Try again"

    def record_name(self) -> str:
        return f"event {self.record.pk}"

    def preview(self) -> Preview:
        event = self.record
        return Preview(
            title="Try an event again",
            subject=f"{event.source.account} · {event.source.name} · {event.call_id or 'no call'}",
            about=[f"It is read and recorded again. {AGAIN}"],
            button="Try again",
        )

    def do(self, form: Any) -> Outcome:
        if not replay(source=self.record.source, event_id=self.record.pk):
            told = NOT_TRIED.get(self.record.state, "It tells no call: there is nothing to try.")
            return Outcome(told=told, level=messages.WARNING)
        queue_drain()
        return Outcome(told="It is on the way to be recorded again.", recorded="Tried again.")


class AttentionFilter(ChosenFilter):
    """The sources that somebody may have to do something about."""

    title = "attention"
    parameter_name = "attention"
    chosen = {
        "silent": ("Fell silent", lambda now: silence.silent_sources(now=now)),
        "mail": ("The mail about it does not go out", lambda now: silence.late(now=now)),
    }


@admin.register(CallSource)
class CallSourceAdmin(RecordAdmin):
    """Every source that is connected or was. Its secrets are shown to nobody here."""

    record_actions = (ReplayEvents,)
    list_display = ("name", "account", "kind", "standing", "last_event_at", "failed", "own_page")
    list_filter = (
        ("account", AutocompleteSelectFilter),
        ("pull_state", ChoicesDropdownFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        AttentionFilter,
    )
    list_filter_submit = True
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("name", "account"),
                    ("kind", "position"),
                    ("standing", "failed"),
                    ("created_at", "created_by"),
                    ("paused_at", "deleted_at"),
                    ("last_event_at", "silence_told_at"),
                    ("own_page", "events"),
                )
            },
        ),
        (
            "List of calls",
            {
                "fields": (
                    ("pull_state", "pull_said"),
                    ("last_pull_at", "next_pull_at"),
                    "pulled_until",
                )
            },
        ),
    )

    @admin.display(description="State")
    def standing(self, source: CallSource) -> str:
        """How it stands, in the words of the account's own list."""
        if source.deleted_at is not None:
            return "Deleted"
        heard_at = selectors.heard_at(source)
        return Standing(source, heard_at=heard_at, failures=0, now=clock.now()).word

    @admin.display(description="Failed")
    def failed(self, source: CallSource) -> str:
        """How many of its events failed."""
        count = OpenEvent.objects.filter(source=source, state=EventState.FAILED).count()
        return grouped(count) if count else "–"

    @admin.display(description="Its page")
    def own_page(self, source: CallSource) -> SafeString | str:
        """The page on which it is set up."""
        if source.deleted_at is not None:
            return "–"
        address = reverse("dashboard:source", args=[source.account.slug, source.public_id])
        return format_html('<a href="{}" class="text-link">Open</a>', address)

    @admin.display(description="Events")
    def events(self, source: CallSource) -> SafeString:
        """What it sent."""
        query = {"source__id__exact": source.pk}
        address = reverse("admin:calls_inboxevent_changelist", query=query)
        return format_html('<a href="{}" class="text-link">Its events</a>', address)


class StateFilter(DropdownFilter):
    """Events by how they stand."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return list(EventState.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Keep the events that stand so."""
        state = self.value()
        if state == EventState.RECORDED:
            return queryset.filter(open=None)
        return queryset.filter(open__state=state) if state in EventState.values else queryset


@admin.register(InboxEvent)
class InboxEventAdmin(RecordAdmin):
    """What sources sent, and what became of it."""

    record_actions = (TryEventAgain,)
    shows_seconds = True
    list_display = ("id", "source", "account", "via", "call_id", "received_at", "stands", "why")
    list_filter = (
        ("source", AutocompleteSelectFilter),
        StateFilter,
        ("via", ChoicesDropdownFilter),
    )
    list_filter_submit = True
    list_select_related = ("source__account", "open")
    documents = ("fields",)
    search_fields = ("call_id",)
    search_help_text = "Whole call ID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("source", "account"),
                    ("call_id", "via"),
                    ("stands", "why"),
                    ("received_at", "tried_at"),
                    ("attempts", "recorded_as"),
                    "fields",
                )
            },
        ),
    )

    def zone_of(self, record: InboxEvent) -> tzinfo:
        """That of the account."""
        zone: tzinfo = record.source.account.zone
        return zone

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find by the whole ID of a call, in the index of each source."""
        term = search_term.strip()
        if not term:
            return queryset, False
        ids = CallSource.objects.values("pk")
        return queryset.filter(source__in=ids, call_id=term), False

    @admin.display(description="Account")
    def account(self, event: InboxEvent) -> str:
        """Whose source it is."""
        return str(event.source.account)

    @admin.display(description="State")
    def stands(self, event: InboxEvent) -> str:
        """How it stands."""
        return str(event.state.label)

    @admin.display(description="Why")
    def why(self, event: InboxEvent) -> str:
        """Why it is irrelevant or failed."""
        stands = standing_of(event)
        return f"{stands.field} {stands.reason}".strip() or "–" if stands else "–"

    @admin.display(description="Last tried")
    def tried_at(self, event: InboxEvent) -> SafeString | str:
        """When it was last tried in vain."""
        stands = standing_of(event)
        return local_time(stands.settled_at if stands else None, self.zone_of(event), seconds=True)

    @admin.display(description="Attempts")
    def attempts(self, event: InboxEvent) -> str:
        """How often it was tried in vain."""
        stands = standing_of(event)
        return grouped(stands.attempts) if stands else "–"

    @admin.display(description="Recorded as")
    def recorded_as(self, event: InboxEvent) -> str:
        """The call that it is part of: another one's where another source reports it too."""
        if event.state is not EventState.RECORDED:
            return "–"
        return call_id_of(account=event.source.account, call_id=event.call_id) or event.call_id


def standing_of(event: InboxEvent) -> OpenEvent | None:
    """How an event stands that is not recorded."""
    return getattr(event, "open", None)
