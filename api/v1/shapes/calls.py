"""Calls: a record, what becomes of it, and a call as it is shown."""

from rest_framework import serializers

from api.v1.shapes.credits import USAGE_TYPES, Entry
from billing.models import GrantSource
from billing.models.ledger import CALL_ID_LENGTH_MAX
from calls.models import Status
from calls.outcomes import Result as Outcome

STATUSES = [status.value for status in Status]
OUTCOMES = [outcome.value for outcome in Outcome]


def _texts_from_and_to() -> dict[str, serializers.Field]:
    """Fields whose names Python keeps for itself."""
    return {
        "from": serializers.CharField(required=False, help_text="Number or address."),
        "to": serializers.CharField(required=False, help_text="Number or address."),
    }


class CallRecord(serializers.Serializer):
    """What is known of one call. Times carry a time zone: `2026-11-23T14:05:09.250Z`."""

    call_id = serializers.CharField(
        max_length=CALL_ID_LENGTH_MAX, help_text="Unique within the account, for ever."
    )
    usage_type = serializers.ChoiceField(choices=USAGE_TYPES)
    status = serializers.ChoiceField(
        choices=STATUSES, help_text="`completed` if it was answered; nothing else costs credits."
    )
    started_at = serializers.DateTimeField(help_text="When it was made or received.")
    connected_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When it was answered: needed of completed calls, and of no others. A "
        "translation connects when it starts.",
    )
    ended_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Needed of completed calls."
    )
    agent = serializers.CharField(required=False, help_text="Shortened to 100 characters.")
    remarks = serializers.CharField(
        required=False, help_text="Shown in the call log; shortened to 500 characters."
    )
    carrier_id = serializers.CharField(
        required=False,
        help_text="The carrier's own ID of the call: by it a report of the same call by another "
        "system is linked with this one, and charged once.",
    )
    revised_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="When this record was last changed: an older one never replaces a newer one.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add the numbers."""
        return {**super().get_fields(), **_texts_from_and_to()}


class Note(serializers.Serializer):
    """What else its sender should know of a record."""

    field = serializers.CharField()
    said = serializers.CharField()


class Result(serializers.Serializer):
    """What became of one record. A rejected one says which field is at fault, and why."""

    call_id = serializers.CharField()
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    linked_to = serializers.CharField(
        allow_null=True,
        help_text="The ID under which the call is shown, where another system told it first.",
    )
    credits = serializers.IntegerField(help_text="What it cost; negative where credits came back.")
    field = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    pointer = serializers.CharField(allow_null=True, help_text="JSON pointer into the body.")
    notes = Note(many=True)


class Counts(serializers.Serializer):
    """How many records had each outcome."""

    created = serializers.IntegerField()
    unchanged = serializers.IntegerField()
    corrected = serializers.IntegerField()
    linked = serializers.IntegerField()
    rejected = serializers.IntegerField()


class Recorded(serializers.Serializer):
    """What became of all records of a body, in their order."""

    results = Result(many=True)
    counts = Counts()
    credits = serializers.IntegerField(help_text="What all of them cost.")


class Charge(serializers.Serializer):
    """What a call costs, frozen with what it was computed from."""

    credits = serializers.IntegerField()
    plan = serializers.CharField()
    increment_seconds = serializers.IntegerField()
    credits_per_increment = serializers.IntegerField()
    billable_seconds = serializers.CharField(help_text="Exact, before rounding: `65.000000`.")
    billed_seconds = serializers.IntegerField(help_text="Rounded up to whole increments.")
    increments = serializers.IntegerField()
    is_history = serializers.BooleanField(
        help_text="It was before the first subscription, so it costs nothing."
    )


class Call(serializers.Serializer):
    """One call as its latest record tells it."""

    call_id = serializers.CharField()
    usage_type = serializers.ChoiceField(choices=USAGE_TYPES)
    status = serializers.ChoiceField(choices=STATUSES)
    started_at = serializers.DateTimeField()
    connected_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    agent = serializers.CharField()
    remarks = serializers.CharField()
    carrier_id = serializers.CharField()
    revised_at = serializers.DateTimeField(allow_null=True)
    recorded_at = serializers.DateTimeField(help_text="When its first record arrived.")
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    corrections = serializers.IntegerField()
    charge = Charge()

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add the numbers."""
        about = "Number or address; empty where none was told, or it was deleted once it was old."
        texts = {name: serializers.CharField(help_text=about) for name in ("from", "to")}
        return {**super().get_fields(), **texts}


class Payment(serializers.Serializer):
    """What one grant paid of a call. `grant` is the `seq` of the movement that brought it."""

    grant = serializers.IntegerField()
    source = serializers.ChoiceField(choices=GrantSource.values)  # type: ignore[assignment]
    granted_at = serializers.DateTimeField()
    credits = serializers.IntegerField()
    paid_late_at = serializers.DateTimeField(
        allow_null=True, help_text="When, where it was owed at first."
    )


class OtherReport(serializers.Serializer):
    """What another system tells of the same call; it is not charged again."""

    reporter = serializers.CharField(
        help_text="A source as its account calls it, or a kind of file."
    )
    call_id = serializers.CharField(help_text="The ID that it gives the call.")
    started_at = serializers.DateTimeField()
    status = serializers.CharField()


class CallInFull(Call):
    """One call, its charge explained, its movements, and which credits paid it."""

    explanation = serializers.CharField()
    paid_by = Payment(many=True)
    not_paid = serializers.IntegerField(help_text="Credits that nothing has paid yet.")
    also_reported_by = OtherReport(many=True)
    entries = Entry(many=True)


class CallList(serializers.Serializer):
    """Part of the calls. A part may be short, or empty, and still have a next one."""

    calls = Call(many=True)
    next = serializers.URLField(allow_null=True)


class Withdrawal(serializers.Serializer):
    """Why a call is withdrawn."""

    reason = serializers.CharField(max_length=500)
