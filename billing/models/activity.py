"""The activity log's table: who changed what, when, from where, and the values before and after.

Append-only, as the ledger is: the model, its querysets and the database each refuse to change or
delete a row. Only `billing.activity` writes it.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from billing.models.account import Account
from billing.models.ledger import REMARKS_LENGTH_MAX, AppendOnlyError

ACTIVITY_IS_APPEND_ONLY = "The activity log is append-only: what was done stays on record."
SUBJECT_LENGTH_MAX = 255
NAME_LENGTH_MAX = 254


class Area(models.TextChoices):
    """What an activity is about: what the log can be filtered by."""

    MONEY = "money", "Money and credits"
    PLAN = "plan", "Plan and terms"
    ACCOUNT = "account", "The account itself"
    PEOPLE = "people", "People and roles"
    SIGN_IN = "sign_in", "Passwords and sign-in"
    CALLS = "calls", "Calls and imports"
    SETTINGS = "settings", "Notifications and settings"
    ACCESS = "access", "API keys and call sources"
    OFFERS = "offers", "What is on offer to everyone"


class ActivityKind(models.TextChoices):
    """What was done. The part before the point is its `Area`; the label is what pages say.

    Values are stored for ever: add some, never change one. A new one needs no migration.
    """

    ADJUSTED = "money.adjusted", "Adjusted credits"
    TOP_UP_ORDERED = "money.top_up_ordered", "Ordered a top-up"
    TOP_UP_CANCELLED = "money.top_up_cancelled", "Cancelled a top-up"
    REFUND_ASKED = "money.refund_asked", "Asked the provider for a refund"
    REVIEW_DECIDED = "money.review_decided", "Decided about a payment under review"
    PROVIDER_ASKED = "money.provider_asked", "Asked the provider about a top-up"

    PLAN_CHANGED = "plan.changed", "Changed the plan"
    PLAN_CHANGE_CANCELLED = "plan.change_cancelled", "Cancelled a planned change of plan"
    PLAN_ASKED = "plan.asked", "Asked for a plan"
    PLAN_REQUEST_WITHDRAWN = "plan.request_withdrawn", "Withdrew a request for a plan"
    PLAN_REQUEST_APPROVED = "plan.request_approved", "Approved a request for a plan"
    PLAN_REQUEST_DECLINED = "plan.request_declined", "Declined a request for a plan"
    TERMS_AGREED = "plan.terms_agreed", "Agreed terms"
    TERMS_AMENDED = "plan.terms_amended", "Changed planned terms"
    TERMS_WITHDRAWN = "plan.terms_withdrawn", "Deleted planned terms"

    ACCOUNT_OPENED = "account.opened", "Opened the account"
    ACCOUNT_CHANGED = "account.changed", "Changed the account"
    ACCOUNT_CLOSED = "account.closed", "Closed the account"
    ACCOUNT_REOPENED = "account.reopened", "Reopened the account"

    PERSON_ADDED = "people.added", "Added a person who signs in"
    PERSON_CHANGED = "people.changed", "Changed a person"
    OPERATOR_RIGHTS_CHANGED = "people.operator_rights", "Changed who is an operator"
    MEMBER_ADDED = "people.member_added", "Added a member"
    MEMBER_CHANGED = "people.member_changed", "Changed a member"
    MEMBER_REMOVED = "people.member_removed", "Removed a member"
    MEMBER_INVITED = "people.member_invited", "Invited a member"

    PASSWORD_CHANGED = "sign_in.password_changed", "Changed a password"
    PASSWORD_CHOSEN = "sign_in.password_chosen", "Chose a password by a link"
    PASSWORD_LINK_SENT = "sign_in.password_link_sent", "Sent a link to choose a password"
    SECOND_STEP_SET_UP = "sign_in.second_step_set_up", "Set up a second step"
    SECOND_STEP_REMOVED = "sign_in.second_step_removed", "Removed a second step"
    RECOVERY_CODES_MADE = "sign_in.recovery_codes_made", "Made recovery codes"
    SESSIONS_ENDED = "sign_in.sessions_ended", "Ended sessions"

    IMPORT_UPLOADED = "calls.import_uploaded", "Uploaded a file of calls"
    IMPORT_STARTED = "calls.import_started", "Started an import"
    IMPORT_STOPPED = "calls.import_stopped", "Stopped an import"
    IMPORT_RESUMED = "calls.import_resumed", "Went on with an import"
    IMPORT_TAKEN_BACK = "calls.import_taken_back", "Took an import back"
    IMPORT_FILE_DELETED = "calls.import_file_deleted", "Deleted the file of an import"
    CALLS_WITHDRAWN = "calls.withdrawn", "Withdrew calls"
    MAPPING_SAVED = "calls.mapping_saved", "Kept a mapping of columns"
    DOWNLOAD_MADE_AGAIN = "calls.download_made_again", "Had a download made again"
    DOWNLOAD_DELETED = "calls.download_deleted", "Deleted a download"
    MAPPING_DELETED = "calls.mapping_deleted", "Deleted a mapping of columns"

    MAILS_SWITCHED = "settings.mails_switched", "Switched mails about credits"
    WARNING_ADDED = "settings.warning_added", "Added a warning of low credits"
    WARNING_REMOVED = "settings.warning_removed", "Removed a warning of low credits"

    RESTORED = "settings.restored", "Restored a backup"
    TEST_MAIL_SENT = "settings.test_mail_sent", "Sent a test mail"
    FIRST_STEPS_PUT_AWAY = "settings.first_steps_put_away", "Put the first steps away"

    KEY_MADE = "access.key_made", "Made an API key"
    KEY_CHANGED = "access.key_changed", "Changed an API key"
    KEY_REVOKED = "access.key_revoked", "Revoked an API key"
    SOURCE_CONNECTED = "access.source_connected", "Connected a call source"
    SOURCE_CHANGED = "access.source_changed", "Changed a call source"
    SOURCE_REMOVED = "access.source_removed", "Removed a call source"
    SOURCES_ORDERED = "access.sources_ordered", "Changed the order of call sources"
    EVENTS_REPLAYED = "access.events_replayed", "Had what a source sent recorded again"

    PLAN_ADDED = "offers.plan_added", "Added a plan"
    PLAN_EDITED = "offers.plan_edited", "Changed a plan’s name or description"
    PLAN_DELETED = "offers.plan_deleted", "Deleted a plan"
    PLAN_TERMS_ADDED = "offers.plan_terms_added", "Gave a plan new terms"
    PLAN_TERMS_AMENDED = "offers.plan_terms_amended", "Changed planned terms of a plan"
    PLAN_TERMS_WITHDRAWN = "offers.plan_terms_withdrawn", "Deleted planned terms of a plan"
    PACK_ADDED = "offers.pack_added", "Added a pack"
    PACK_CHANGED = "offers.pack_changed", "Changed a pack"
    PACK_DELETED = "offers.pack_deleted", "Deleted a pack"
    PRICING_ADDED = "offers.pricing_added", "Added prices and tax of a currency"
    PRICING_CHANGED = "offers.pricing_changed", "Changed prices and tax of a currency"
    PRICING_DELETED = "offers.pricing_deleted", "Deleted prices and tax of a currency"

    @property
    def area(self) -> Area:
        """What it is about."""
        return Area(self.value.partition(".")[0])


AREAS: Mapping[Area, tuple[ActivityKind, ...]] = {
    area: tuple(kind for kind in ActivityKind if kind.area == area) for area in Area
}


class ActorKind(models.TextChoices):
    """Who or what acts."""

    PERSON = "person", "Member"
    OPERATOR = "operator", "Operator"
    KEY = "key", "API key"
    COMMAND = "command", "Command on the server"
    SYSTEM = "system", "The system"


class ActivityQuerySet(models.QuerySet):
    """Reads like any queryset, and refuses to update or delete."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError(ACTIVITY_IS_APPEND_ONLY)

    def delete(self) -> NoReturn:
        raise AppendOnlyError(ACTIVITY_IS_APPEND_ONLY)


class Activity(models.Model):
    """One change that somebody made.

    ``account`` is empty where it concerns no single one. ``by_name`` is what the actor was called
    then: a person's address, a command, a key. ``subject`` names what was changed, as people name
    it. ``changes`` is a list of ``[field, before, after]``; `billing.activity` says what values
    look like. Words about all of it are made when it is shown; ``reason`` is what a person typed.
    """

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, null=True, related_name="activities", db_index=False
    )
    # The database's clock: nobody who notes something says when it was.
    at = models.DateTimeField(db_default=Now())
    by_kind = models.CharField(max_length=10, choices=ActorKind)
    by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    by_name = models.CharField(max_length=NAME_LENGTH_MAX, blank=True)
    visitor = models.CharField(
        max_length=45, blank=True, help_text="The address of the network that it came from."
    )
    # Without choices, so that a new kind needs no migration.
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=SUBJECT_LENGTH_MAX, blank=True)
    changes = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=REMARKS_LENGTH_MAX, blank=True)

    objects = ActivityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "activities"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(by_kind__in=ActorKind.values), name="activity_actor_known"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-id"], name="activity_of_account"),
            models.Index(fields=["account", "by_user", "-id"], name="activity_of_person"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.subject}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert only."""
        if not self._state.adding:
            raise AppendOnlyError(ACTIVITY_IS_APPEND_ONLY)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise AppendOnlyError(ACTIVITY_IS_APPEND_ONLY)

    @property
    def label(self) -> str:
        """What was done, in words; of a kind that is not known here any more, its value."""
        known = self.kind in ActivityKind.values
        return str(ActivityKind(self.kind).label) if known else self.kind
