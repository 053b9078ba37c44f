"""Grants, which of them paid what, and what nobody has paid yet.

Only `billing.ledger` writes these tables.
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from billing.models.account import Account
from billing.models.ledger import AppendOnlyQuerySet


class GrantSource(models.TextChoices):
    """Where credits came from."""

    PLAN = "plan", "Plan credits"
    TOP_UP = "top_up", "Top-up"
    ADJUSTMENT = "adjustment", "Adjustment"
    RETURN = "return", "Returned by a call"


class CreditGrant(models.Model):
    """Credits that were added together and expire together, at an end that never moves.

    ``seq`` is the number of the entry that opened it, and names it within the account.
    ``remaining`` is what nothing has used yet. ``expired`` is empty until its expiry is booked,
    then what expired less what was taken back.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="grants")
    seq = models.BigIntegerField()
    source = models.CharField(max_length=10, choices=GrantSource)
    credits = models.BigIntegerField()
    remaining = models.BigIntegerField()
    expired = models.BigIntegerField(null=True, blank=True)
    # What the indexes ask instead of ``remaining`` and ``expired``: an update that changes nothing
    # they ask leaves them alone, and the grant in use is updated by every batch.
    is_open = models.GeneratedField(
        expression=Q(remaining__gt=0),  # type: ignore[arg-type]  # as its documentation has it
        output_field=models.BooleanField(),
        db_persist=True,
    )
    can_be_taken_back = models.GeneratedField(
        expression=Q(expired__isnull=False) & Q(expired__gt=0),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")

    class Meta:
        ordering = [F("expires_at").asc(nulls_last=True), "granted_at", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="grant_once"),
            models.CheckConstraint(
                condition=Q(source__in=GrantSource.values), name="grant_source_known"
            ),
            models.CheckConstraint(
                condition=Q(credits__gt=0, remaining__gte=0, remaining__lte=F("credits"))
                & (Q(expired__isnull=True) | Q(expired__gte=0, expired__lte=F("credits"))),
                name="grant_remaining_within_credits",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("granted_at")),
                name="grant_expires_after_it_began",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "expires_at"],
                name="grant_open",
                condition=Q(is_open=True),
            ),
            models.Index(
                fields=["expires_at"], name="grant_open_expiry", condition=Q(is_open=True)
            ),
            models.Index(
                fields=["account", "expires_at"],
                name="grant_taken_back",
                condition=Q(can_be_taken_back=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.remaining} of {self.credits} credits left"


class GrantShare(models.Model):
    """One grant's part in an entry, where it is not the only one, or pays later than the entry.

    ``seq`` is the entry at whose posting it happened, ``use_seq`` the entry whose use it is: an
    older one, where a debt is paid. ``credits``: positive were paid, negative returned.
    ``into_new_grant``: returned after the grant had ended, so a grant that the entry ``seq`` opened
    has them. Without a grant, nobody had paid these credits yet: they are owed no longer.
    Read `GrantUse` instead.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField()
    position = models.IntegerField()
    use_seq = models.BigIntegerField()
    grant_seq = models.BigIntegerField(null=True, blank=True)
    credits = models.BigIntegerField()
    into_new_grant = models.BooleanField(default=False)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "seq", "position"], name="share_once"),
            models.CheckConstraint(
                condition=~Q(credits=0) & (Q(into_new_grant=False) | Q(credits__lt=0)),
                name="share_moves_credits",
            ),
        ]
        indexes = [models.Index(fields=["account", "use_seq"], name="share_of_use")]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.credits} credits of grant {self.grant_seq}, entry {self.use_seq}"


class GrantUse(models.Model):
    """Which grant paid which entry, or got credits back from it: the view over both places.

    So the uses of a grant, without those into a new grant, add up to what it has not left.
    """

    pk = models.CompositePrimaryKey("account", "seq", "position")
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="+")
    seq = models.BigIntegerField()
    position = models.IntegerField()
    use_seq = models.BigIntegerField()
    grant_seq = models.BigIntegerField()
    credits = models.BigIntegerField()
    into_new_grant = models.BooleanField()

    class Meta:
        managed = False
        db_table = "billing_grantuse"

    def __str__(self) -> str:
        return f"{self.credits} credits of grant {self.grant_seq}, entry {self.use_seq}"


class Debt(models.Model):
    """What of an entry no grant has paid yet. A grant that comes in pays the oldest first."""

    # As few checks and indexes as can be: an account that owes credits gets one with each call.
    pk = models.CompositePrimaryKey("account", "seq")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="debts", db_constraint=False, db_index=False
    )
    seq = models.BigIntegerField()
    credits = models.BigIntegerField()

    class Meta:
        ordering = ["account", "seq"]
        constraints = [
            models.CheckConstraint(condition=Q(credits__gt=0), name="debt_is_owed"),
        ]

    def __str__(self) -> str:
        return f"{self.credits} credits of entry {self.seq}"
