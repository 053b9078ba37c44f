"""Sources that report calls by themselves: platforms and switches.

Only `calls.inbox` writes them.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Account

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
