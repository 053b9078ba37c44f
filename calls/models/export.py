"""Exports: files of the log that a worker makes, because they are too long to be sent at once.

Only `calls.exports` writes them.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Account
from billing.models.ledger import AGENT_LENGTH_MAX

SAID_LENGTH_MAX = 300


class ExportState(models.TextChoices):
    """Where an export stands."""

    MAKING = "making", "Being made"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Deleted"


class Export(models.Model):
    """A file of the log that ``asked_by`` wants, and who else may not have.

    The file shows the rows of the days from ``first_day`` to ``last_day`` in ``time_zone`` that
    pass the filters, as they were when ``last_seq`` was the account's latest entry.
    ``rows_expected`` is how many there were said to be.

    ``pieces`` and ``rows`` are how much of it is stored, the last row being the one that
    ``cursor_at`` and ``cursor_id`` name; ``size`` is that in bytes, ``stored_size`` the same
    compressed, ``crc32`` its checksum. ``moved_at`` is when it last got on, or was last attempted,
    and ``failures`` counts the attempts since it last got on.

    ``seen_at``: the person was told and has said so. ``mailed_at`` and ``mail_tried_at`` are about
    the mail that says how it ended. A file is kept until ``expires_at``, its row for longer.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="exports")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    first_day = models.DateField()
    last_day = models.DateField()
    time_zone = models.CharField(max_length=64)
    usage_type = models.CharField(max_length=11, blank=True)
    kind = models.CharField(max_length=12, blank=True)
    agent = models.CharField(max_length=AGENT_LENGTH_MAX, blank=True)
    import_id = models.BigIntegerField("import", null=True, blank=True)
    last_seq = models.BigIntegerField()
    rows_expected = models.BigIntegerField()

    state = models.CharField(max_length=9, choices=ExportState, default=ExportState.MAKING)
    said = models.CharField(max_length=SAID_LENGTH_MAX, blank=True)
    created_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_tried_at = models.DateTimeField(null=True, blank=True)

    failures = models.PositiveSmallIntegerField(default=0)
    pieces = models.PositiveIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    cursor_at = models.DateTimeField(null=True, blank=True)
    cursor_id = models.BigIntegerField(null=True, blank=True)
    size = models.BigIntegerField(default=0, help_text="Bytes of the file.")
    stored_size = models.BigIntegerField(default=0, help_text="Bytes of it as it is stored.")
    crc32 = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ExportState.values), name="export_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=ExportState.MAKING, ended_at__isnull=True)
                | (~Q(state=ExportState.MAKING) & Q(ended_at__isnull=False)),
                name="export_has_ended",
            ),
            models.CheckConstraint(
                condition=~Q(state=ExportState.READY) | Q(expires_at__isnull=False, pieces__gte=1),
                name="export_ready_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "asked_by", "-id"], name="export_of_person"),
            models.Index(
                fields=["moved_at"], condition=Q(state=ExportState.MAKING), name="export_moving"
            ),
            models.Index(
                fields=["expires_at"], condition=Q(state=ExportState.READY), name="export_kept"
            ),
            models.Index(
                fields=["asked_by", "account"],
                condition=Q(
                    seen_at__isnull=True, state__in=[ExportState.READY, ExportState.FAILED]
                ),
                name="export_unseen",
            ),
            models.Index(
                fields=["ended_at"],
                condition=Q(
                    mailed_at__isnull=True, state__in=[ExportState.READY, ExportState.FAILED]
                ),
                name="export_unmailed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}, {self.first_day} to {self.last_day}"


class ExportPart(models.Model):
    """A piece of an export's file, numbered from 0.

    ``content`` is raw DEFLATE that ends on a whole byte and refers to no other part, so that all of
    them, one after the other, are one compressed file.
    """

    export = models.ForeignKey(Export, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ["export", "number"]
        constraints = [
            models.UniqueConstraint(fields=["export", "number"], name="export_part_once"),
        ]

    def __str__(self) -> str:
        return f"Part {self.number} of {self.export_id}"
