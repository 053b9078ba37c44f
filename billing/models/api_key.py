"""Keys by which programs act for an account.

Only `billing.accounts.api_keys` writes them. A key itself is stored nowhere: only its digest.
"""

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.models.account import Account

NAME_LENGTH_MAX = 80


class Scope(models.TextChoices):
    """What a key may do. Rule: "Who may do what"."""

    CALLS_WRITE = "calls:write", "Record and withdraw calls"
    CALLS_READ = "calls:read", "Read calls and what each cost"
    USAGE_READ = "usage:read", "Read usage: totals, days, agents"
    CREDITS_READ = "credits:read", "Read the balance and every movement of credits"
    TOPUPS_WRITE = "topups:write", "Begin top-ups, and read top-ups, plans and the subscription"


class ApiKey(models.Model):
    """One key of an account: what it may do, and until when.

    ``digest`` is the SHA-256 of the whole key. ``beginning`` and ``ending`` are what people tell
    keys apart by. A key that was replaced by a new one ends at once or a day later.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_keys")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=NAME_LENGTH_MAX)
    digest = models.CharField(max_length=64, unique=True)
    beginning = models.CharField(max_length=16)
    ending = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="Noted at most once a minute."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    replaced_by = models.OneToOneField(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaces"
    )

    class Meta:
        verbose_name = "API key"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gte=1),
                name="api_key_scopes_known",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gte=F("created_at")),
                name="api_key_ends_after_it_began",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown})"

    @property
    def shown(self) -> str:
        """What of the key may be seen: "ccl_live_a1B2…x9Yz"."""
        return f"{self.beginning}…{self.ending}"

    def is_valid_at(self, at: datetime) -> bool:
        """Whether the key opens anything at ``at``."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)
