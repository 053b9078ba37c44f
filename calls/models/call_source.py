"""Sources that report calls by themselves: platforms and switches, and what they have sent.

Only `calls.inbox` writes them.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Account
from billing.models.ledger import CALL_ID_LENGTH_MAX

NAME_LENGTH_MAX = 80
REASON_LENGTH_MAX = 500


class PullState(models.TextChoices):
    """What became of the last pull. Only `REFUSED` needs a person: a key that was revoked."""

    NEVER = "never", "Not yet"
    FINE = "fine", "Fine"
    WAITING = "waiting", "Asked to wait"
    FAILING = "failing", "Failing"
    REFUSED = "refused", "Key refused"


class CallSource(models.Model):
    """A system of an account that reports its calls: a platform, a switch, a program.

    ``kind`` is the name of one of `calls.sources.registry.PLATFORMS`. ``public_id`` is part of the
    address that the platform calls, and can't be guessed. ``position`` is its place among the
    account's sources, 1 the highest; imports of files come after all of them.

    ``secret``, ``previous_secret`` and ``api_key`` are encrypted (`billing.accounts.encryption`).
    Until ``previous_secret_ends_at`` what the previous secret signed is believed too.

    A deleted source keeps its row and its position, because calls were told by it.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="call_sources")
    kind = models.CharField(max_length=32)
    name = models.CharField(max_length=NAME_LENGTH_MAX)
    position = models.PositiveSmallIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    created_at = models.DateTimeField()
    paused_at = models.DateTimeField("paused", null=True, blank=True)
    deleted_at = models.DateTimeField("deleted", null=True, blank=True)
    options = models.JSONField(default=dict, blank=True)

    secret = models.TextField(blank=True, editable=False)
    previous_secret = models.TextField(blank=True, editable=False)
    previous_secret_ends_at = models.DateTimeField(null=True, blank=True)

    last_event_at = models.DateTimeField("last event", null=True, blank=True)
    # The last event for which somebody was told that nothing came after it.
    silence_told_at = models.DateTimeField(null=True, blank=True)

    api_key = models.TextField("API key", blank=True, editable=False)
    pull_state = models.CharField(
        "pull", max_length=7, choices=PullState, default=PullState.NEVER, editable=False
    )
    pull_said = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    last_pull_at = models.DateTimeField("last pull", null=True, blank=True)
    next_pull_at = models.DateTimeField("next pull", null=True, blank=True)
    pulled_until = models.DateTimeField(
        null=True, blank=True, help_text="Calls that started before are known from its list."
    )

    class Meta:
        ordering = ["account", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "position"],
                name="call_source_order",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                fields=["account", "name"],
                name="call_source_name_once",
                condition=Q(deleted_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1), name="call_source_position_from_1"
            ),
            models.CheckConstraint(
                condition=Q(pull_state__in=PullState.values), name="call_source_pull_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_pull_at"],
                name="call_source_to_pull",
                condition=Q(
                    deleted_at__isnull=True, paused_at__isnull=True, next_pull_at__isnull=False
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


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
    stored once. Transcripts, recordings and audio never get here. ``reason`` says why the event is
    irrelevant or failed, ``field`` which field is at fault.
    """

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
    state = models.CharField(max_length=10, choices=EventState, default=EventState.WAITING)
    field = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=REASON_LENGTH_MAX, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "sha256"], name="inbox_event_once"),
            models.CheckConstraint(
                condition=Q(state__in=EventState.values), name="inbox_event_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="inbox_event_waiting", condition=Q(state="waiting")),
            models.Index(
                fields=["source", "id"], name="inbox_event_held", condition=Q(state="held")
            ),
            models.Index(
                fields=["source", "id"], name="inbox_event_failed", condition=Q(state="failed")
            ),
            models.Index(fields=["source", "received_at"], name="inbox_event_by_time"),
            models.Index(
                fields=["source", "call_id"],
                name="inbox_event_of_call",
                condition=~Q(call_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"Event {self.pk} of {self.source_id}"
