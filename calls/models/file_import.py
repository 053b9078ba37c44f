"""Imports of files of call records: the file in parts, the import's state, and its rejected lines.

Only `calls.imports` writes them.
"""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models import Account

FILE_NAME_LENGTH_MAX = 255
SAID_LENGTH_MAX = 500
FIELD_LENGTH_MAX = 200


class ImportState(models.TextChoices):
    """Where an import stands. `calls.imports.machine` says which may follow which."""

    UPLOADING = "uploading", "Uploading"
    EXAMINING = "examining", "Being examined"
    READY = "ready", "Ready for a trial run"
    TRYING = "trying", "Trial run"
    TRIED = "tried", "Ready to import"
    IMPORTING = "importing", "Importing"
    STOPPED = "stopped", "Stopped"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"
    WITHDRAWING = "withdrawing", "Being taken back"
    WITHDRAWN = "withdrawn", "Taken back"


class FileImport(models.Model):
    """One import of a file into an account, by a person or by the command.

    ``started_by`` is empty for the command. ``reading`` says how the file is read
    (`calls.imports.readings`), ``examined`` what was found out about it. ``said`` is the sentence
    that explains a refused, failed or stopped import, and ``interrupted_state`` what a failed one
    was doing. ``moved_at`` is when it last got on: what should move and does not is found by it.
    ``ended_at`` is when it ended, before it was taken back; ``withdrawn_at`` when it last was.

    ``ticket`` names the one task that may work on the import; tasks with another number are left
    over. ``cursor`` is the position of the last call that was tried or recorded. ``bytes_read`` and
    ``staged_lines`` tell how far the file is staged for the ``reading``, ``is_staged`` whether it
    is as a whole. ``failures`` are the attempts since it last got on.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="file_imports")
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    is_command = models.BooleanField(default=False, help_text="Its file was never uploaded.")
    file_name = models.CharField(max_length=FILE_NAME_LENGTH_MAX)
    size = models.PositiveBigIntegerField(default=0, help_text="Bytes of the file.")
    sha256 = models.CharField(max_length=64, blank=True)
    state = models.CharField(
        max_length=11, choices=ImportState, default=ImportState.UPLOADING, editable=False
    )
    said = models.CharField(max_length=SAID_LENGTH_MAX, blank=True)
    interrupted_state = models.CharField(max_length=11, choices=ImportState, blank=True)
    created_at = models.DateTimeField()
    queued_at = models.DateTimeField(null=True, blank=True, help_text="Orders who waits for whom.")
    moved_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    file_deleted_at = models.DateTimeField(null=True, blank=True)

    examined = models.JSONField(default=dict, blank=True)
    reading = models.JSONField(default=dict, blank=True)
    is_unpacked = models.BooleanField(
        default=False, help_text="The parts hold what was unpacked from the file."
    )

    ticket = models.PositiveIntegerField(default=0)
    failures = models.PositiveSmallIntegerField(default=0)
    bytes_read = models.PositiveBigIntegerField(default=0)
    staged_lines = models.PositiveBigIntegerField(default=0)
    is_staged = models.BooleanField(default=False)
    cursor = models.BigIntegerField(default=-1)
    trial = models.JSONField(default=dict, blank=True)
    summary = models.JSONField(default=dict, blank=True)
    quiet_id = models.BigIntegerField(
        null=True, blank=True, help_text="Of the note that keeps warnings back."
    )

    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawal = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ImportState.values), name="file_import_state_known"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="file_import_of_account"),
            models.Index(
                fields=["moved_at"],
                condition=Q(state__in=["examining", "trying", "importing", "withdrawing"]),
                name="file_import_moving",
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(file_deleted_at__isnull=True),
                name="file_import_with_file",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} into {self.account}"


class ImportPart(models.Model):
    """A part of an import's file: its bytes, compressed by zlib. Numbered from 0.

    ``size`` and ``sha256`` are of the bytes before compression.
    """

    file_import = models.ForeignKey(FileImport, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    is_unpacked = models.BooleanField(default=False)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = models.BinaryField()

    class Meta:
        ordering = ["file_import", "is_unpacked", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["file_import", "is_unpacked", "number"], name="import_part_once"
            ),
        ]

    def __str__(self) -> str:
        return f"Part {self.number} of {self.file_import_id}"


class StagedLine(models.Model):
    """A record of an import's file on its way in. The table is emptied by a crash of the server.

    ``position`` is the number of the last line of its call. ``problem`` says why the line alone
    can't be read. Texts are bytes, because a line may hold what is no text.
    """

    pk = models.CompositePrimaryKey("file_import_id", "position", "number")
    file_import_id = models.BigIntegerField()
    number = models.BigIntegerField()
    position = models.BigIntegerField()
    occurrence = models.PositiveIntegerField(default=1)
    call_id = models.BinaryField(null=True)
    problem = models.CharField(max_length=SAID_LENGTH_MAX)
    text = models.BinaryField()

    class Meta:
        ordering = ["file_import_id", "position", "number"]

    def __str__(self) -> str:
        return f"Line {self.number} of {self.file_import_id}"


class ImportReject(models.Model):
    """A line that an import did not record, as it came, and why."""

    file_import = models.ForeignKey(FileImport, on_delete=models.CASCADE, related_name="rejects")
    line = models.PositiveBigIntegerField()
    field = models.CharField(max_length=FIELD_LENGTH_MAX)
    reason = models.TextField()
    text = models.BinaryField()

    class Meta:
        ordering = ["file_import", "line", "id"]

    def __str__(self) -> str:
        return f"Line {self.line} of {self.file_import_id}: {self.field}"


class MappingProfile(models.Model):
    """How an account reads files of one kind: found again by the columns that the file has.

    ``columns_hash`` is that of the names of the columns, ``profile`` what
    `calls.sources.mapped` stores.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="mapping_profiles")
    name = models.CharField(max_length=80)
    columns_hash = models.CharField(max_length=64)
    profile = models.JSONField()
    zone = models.CharField(max_length=64, blank=True)
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    saved_at = models.DateTimeField()

    class Meta:
        ordering = ["account", "name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="mapping_profile_once"),
        ]

    def __str__(self) -> str:
        return self.name
