"""Accounts and who may act in them.

An account is the company that runs agents and owns one pool of credits. Its balance is a row of
its own (`billing.models.ledger.Balance`), so that saving an account can never overwrite it.
"""

from zoneinfo import ZoneInfo

import pgtrigger
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from billing.models.currency import currency_code
from billing.models.look_again import look_again
from billing.texts import UNSTORABLE
from billing.zones import place_names

ADDRESS_LINES_MAX = 8


def validate_time_zone(name: str) -> None:
    """Accept the names of the IANA time zone database only, such as ``Asia/Kolkata``."""
    if name not in place_names():
        raise ValidationError(
            "“%(name)s” is not a time zone. Use a name such as Asia/Kolkata or Europe/London.",
            params={"name": name},
        )


def validate_line(text: str) -> None:
    """Accept what stands on one line and can be read."""
    if UNSTORABLE.search(text):
        raise ValidationError("This has a control character or a line break; remove it.")


def validate_address(text: str) -> None:
    """Accept a few lines that can be read."""
    lines = text.splitlines()
    if any(UNSTORABLE.search(line) for line in lines):
        raise ValidationError("This has a control character; remove it.")
    if len(lines) > ADDRESS_LINES_MAX:
        raise ValidationError(f"Write it on at most {ADDRESS_LINES_MAX} lines.")


class Account(models.Model):
    """A company. Days and everything shown to it are in its ``time_zone``.

    ``company_name``, ``company_address`` and ``tax_number`` are the buyer that its receipts name
    from now on; without a ``company_name`` that is ``name``.
    """

    name = models.CharField(max_length=200)
    slug = models.SlugField(
        max_length=60,
        unique=True,
        help_text="Names the account in addresses and on the command line.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text="IANA name, such as Asia/Kolkata.",
    )
    currency = models.CharField(
        max_length=3,
        default="INR",
        validators=[currency_code],
        help_text="ISO 4217 code of the currency the account pays in.",
    )
    company_name = models.CharField(
        max_length=200, blank=True, default="", db_default="", validators=[validate_line]
    )
    company_address = models.CharField(
        "address",
        max_length=500,
        blank=True,
        default="",
        db_default="",
        validators=[validate_address],
    )
    tax_number = models.CharField(
        max_length=40, blank=True, default="", db_default="", validators=[validate_line]
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Written by `billing.accounts.closing`.
    closed_at = models.DateTimeField("closed", null=True, blank=True, editable=False)
    # Written by `billing.notices.closings`.
    closing_mail_tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    closing_mailed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone as an object."""
        return ZoneInfo(self.time_zone)


class Role(models.TextChoices):
    """What a member may do. Rule: "Who may do what"."""

    SUPERADMIN = "superadmin", "Superadmin"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"


class Membership(models.Model):
    """One person's place in one account."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.MEMBER)
    wants_credit_mails = models.BooleanField(
        "mails about credits",
        default=True,
        help_text="Whether the person is told when credits are low or about to expire.",
    )

    class Meta:
        ordering = ["account", "id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "account"], name="membership_once_per_account"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_known"
            ),
        ]
        triggers = [
            look_again(
                pgtrigger.Insert | pgtrigger.UpdateOf("role", "wants_credit_mails"),
                accounts="SELECT changed.account_id",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.account}: {self.get_role_display()}"

    @property
    def may_pay(self) -> bool:
        """Whether the person may top up and see plans, subscription and invoices."""
        return self.role == Role.SUPERADMIN

    @property
    def may_manage(self) -> bool:
        """Whether the person may import calls, and manage people, keys and call sources."""
        return self.role in (Role.SUPERADMIN, Role.ADMIN)

    @property
    def receives_credit_mails(self) -> bool:
        """Whether the person gets mails about the account's credits."""
        return self.may_receive_credit_mails and self.wants_credit_mails

    @property
    def may_receive_credit_mails(self) -> bool:
        """Whether the person is an owner who signs in and has an address."""
        return self.may_pay and self.user.is_active and bool(self.user.email)
