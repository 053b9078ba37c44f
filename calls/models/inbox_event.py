"""What sources have sent, and the state of whatever is not recorded yet.

Only `calls.inbox` writes them.
"""

from django.db import models
from django.db.models import Q

from billing.models.ledger import CALL_ID_LENGTH_MAX
from calls.models.call_source import REASON_LENGTH_MAX, CallSource


class EventState(models.TextChoices):
    """What became of what a source has sent. What a paused source sends is held back."""

    WAITING = "waiting", "Waiting"
    HELD = "held", "Held back"
    RECORDED = "recorded", "Recorded"
    IRRELEVANT = "irrelevant", "Not a call to charge"
    FAILED = "failed", "Failed"


class Via(models.TextChoices):
    """How an event came."""

    WEBHOOK = "sent", "Webhook"
    PULL = "pulled", "Pull"
    TEST = "test", "Test"


class InboxEvent(models.Model):
    """One message of a source: the named fields that a call is made of, and no others.

    ``sha256`` is that of the body as it came (of a pulled call, of its fields): the same message is
    stored once, and never changed. Transcripts, recordings and audio never get here.
    """

    open: "OpenEvent"

    source = models.ForeignKey(
        CallSource, on_delete=models.PROTECT, related_name="events", db_index=False
    )
    sha256 = models.BinaryField(max_length=32)
    via = models.CharField(max_length=6, choices=Via, default=Via.WEBHOOK)
    call_id = models.CharField(
        "call ID", max_length=CALL_ID_LENGTH_MAX, blank=True, db_collation="C"
    )
    fields = models.JSONField()
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "sha256"], name="inbox_event_once"),
        ]
        indexes = [
            models.Index(fields=["source", "received_at"], name="inbox_event_by_time"),
            models.Index(
                fields=["source", "call_id"],
                name="inbox_event_of_call",
                condition=~Q(call_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"Event {self.pk} of {self.source_id}"

    @property
    def state(self) -> EventState:
        """How it stands. One query, unless ``open`` was selected with it."""
        return EventState(self.open.state) if hasattr(self, "open") else EventState.RECORDED


class OpenEvent(models.Model):
    """The state of an event that is not recorded. An event without such a row is.

    ``reason`` says why it is irrelevant or failed, ``field`` which field is at fault.
    ``is_asked_for``: it waits because somebody wants it recorded again.

    It has a table of its own because nearly every event is settled once, as recorded: deleting a
    small row is cheap, while changing the event would write it anew, in each of its indexes too.
    """

    event = models.OneToOneField(
        InboxEvent, on_delete=models.CASCADE, primary_key=True, related_name="open"
    )
    source = models.ForeignKey(
        CallSource, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    state = models.CharField(max_length=10, choices=EventState, default=EventState.WAITING)
    field = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    is_asked_for = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=[state for state in EventState if state is not EventState.RECORDED]
                ),
                name="open_event_state_known",
            ),
        ]
        indexes = [
            models.Index(fields=["event"], name="open_event_waiting", condition=Q(state="waiting")),
            models.Index(
                fields=["source", "event"], name="open_event_held", condition=Q(state="held")
            ),
            models.Index(
                fields=["source", "event"], name="open_event_failed", condition=Q(state="failed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.state}"
