"""The shapes of what the API takes and answers, for its schema. They check nothing: the rules of a
call record are in `calls.records` alone, and what is answered is written by `api.v1.shown`.
"""

from rest_framework import serializers

from billing.models import GrantSource, Kind, TopUpState
from billing.models.ledger import CALL_ID_LENGTH_MAX
from billing.plans.rating import UsageType
from calls.models import Status

USAGE_TYPES = [usage.value for usage in UsageType]
STATUSES = [status.value for status in Status]
OUTCOMES = ["created", "unchanged", "corrected", "linked", "rejected"]


def _texts_from_and_to() -> dict[str, serializers.Field]:
    """Fields whose names Python keeps for itself."""
    return {
        "from": serializers.CharField(required=False, help_text="Number or address."),
        "to": serializers.CharField(required=False, help_text="Number or address."),
    }


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────
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


class Entry(serializers.Serializer):
    """One movement of credits. `seq` counts them without gaps, in the order of their booking."""

    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.values)
    occurred_at = serializers.DateTimeField(help_text="When it happened.")
    posted_at = serializers.DateTimeField(help_text="When it was booked.")
    call_id = serializers.CharField(allow_null=True)
    usage_type = serializers.ChoiceField(choices=USAGE_TYPES, allow_null=True)
    agent = serializers.CharField()
    billed_seconds = serializers.IntegerField()
    credits_used = serializers.IntegerField()
    credits_added = serializers.IntegerField()
    balance_after = serializers.IntegerField()
    remarks = serializers.CharField(help_text="Why, in words.")


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


# ── Usage ─────────────────────────────────────────────────────────────────────────────────────
class Period(serializers.Serializer):
    """Days in the account's time zone: both belong to it. `ends_at` does not."""

    time_zone = serializers.CharField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add the days."""
        days = {name: serializers.DateField() for name in ("from", "to")}
        return {**super().get_fields(), **days}


class ByType(serializers.Serializer):
    """Credits by usage type."""

    outbound = serializers.IntegerField()
    inbound = serializers.IntegerField()
    translation = serializers.IntegerField()


class Summary(serializers.Serializer):
    """The totals of days, and what the account has now."""

    period = Period()
    total_calls = serializers.IntegerField()
    credits_used = serializers.IntegerField()
    credits_used_by_type = ByType()
    credits_added = serializers.IntegerField(help_text="Less what expired or was taken back.")
    billed_seconds = serializers.IntegerField()
    available_credits = serializers.IntegerField(help_text="Now; negative where some are owed.")


class Day(serializers.Serializer):
    """What was counted on one day."""

    day = serializers.DateField()
    calls = serializers.IntegerField()
    credits_used = serializers.IntegerField()
    credits_used_by_type = ByType()
    credits_added = serializers.IntegerField()
    billed_seconds = serializers.IntegerField()


class Daily(serializers.Serializer):
    """Every day of a period, those without calls too."""

    period = Period()
    days = Day(many=True)


class Agent(serializers.Serializer):
    """What one agent used; an empty name stands for the calls that name none."""

    agent = serializers.CharField()
    calls = serializers.IntegerField()
    credits_used = serializers.IntegerField()
    billed_seconds = serializers.IntegerField()


class AgentList(serializers.Serializer):
    """Part of the agents, by name."""

    period = Period()
    agents = Agent(many=True)
    next = serializers.URLField(allow_null=True)


# ── Credits ───────────────────────────────────────────────────────────────────────────────────
class EntryList(serializers.Serializer):
    """Part of the movements, the latest booked first."""

    entries = Entry(many=True)
    next = serializers.URLField(allow_null=True)


class Grant(serializers.Serializer):
    """Credits that came together and end together."""

    grant = serializers.IntegerField(help_text="The `seq` of the movement that brought it.")
    source = serializers.ChoiceField(choices=GrantSource.values)  # type: ignore[assignment]
    credits = serializers.IntegerField()
    remaining = serializers.IntegerField()
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class Balance(serializers.Serializer):
    """What the account has, or had. Grants are in the order in which calls use them."""

    at = serializers.DateTimeField()
    available = serializers.IntegerField(help_text="Negative where credits are owed.")
    debt = serializers.IntegerField()
    grants = Grant(
        many=True,
        allow_null=True,
        help_text="Null where too much was booked since `at` to tell.",
    )


# ── Plans and top-ups ─────────────────────────────────────────────────────────────────────────
class PlanTerms(serializers.Serializer):
    """What a plan gives and costs. Null: agreed with each account."""

    price_minor = serializers.IntegerField(allow_null=True, help_text="In paise, cents …")
    currency = serializers.CharField()
    credits_per_cycle = serializers.IntegerField(allow_null=True)
    increment_seconds = serializers.IntegerField()
    credits_per_increment = serializers.IntegerField()
    concurrent_calls = serializers.IntegerField(allow_null=True)
    effective_from = serializers.DateTimeField()


class TypicalCall(serializers.Serializer):
    """What a call costs that is answered and lasts as long as `length` says."""

    length = serializers.CharField()
    credits = serializers.IntegerField()


class Plan(serializers.Serializer):
    """A plan on offer, or the account's own."""

    name = serializers.CharField()
    description = serializers.CharField()
    is_current = serializers.BooleanField()
    yours_from = serializers.DateTimeField(allow_null=True)
    terms = PlanTerms(allow_null=True)
    next_terms = PlanTerms(allow_null=True)
    typical_calls = TypicalCall(many=True)


class PlanList(serializers.Serializer):
    """All plans on offer."""

    plans = Plan(many=True)


class Cycle(serializers.Serializer):
    """A billing cycle."""

    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class NextCredits(serializers.Serializer):
    """Plan credits that are to come."""

    at = serializers.DateTimeField()
    credits = serializers.IntegerField()


class Change(serializers.Serializer):
    """A plan, or other terms, from an instant on."""

    at = serializers.DateTimeField()
    plan = serializers.CharField()
    terms = PlanTerms()


class Past(serializers.Serializer):
    """A plan that the account is or was on."""

    plan = serializers.CharField()
    effective_from = serializers.DateTimeField()


class Subscription(serializers.Serializer):
    """The account's plan. Without one, `plan` and what follows from it are null."""

    plan = serializers.CharField(allow_null=True)
    is_custom = serializers.BooleanField()
    terms = PlanTerms(allow_null=True)
    cycle = Cycle(allow_null=True)
    next_credits = NextCredits(allow_null=True)
    typical_calls = TypicalCall(many=True)
    decided_changes = Change(many=True)
    grants = Grant(many=True)
    history = Past(many=True)


class NewTopUp(serializers.Serializer):
    """How many credits to buy. They cost what the page Top Up Credits says."""

    credits = serializers.IntegerField(min_value=1)


class TopUp(serializers.Serializer):
    """One top-up. Money is in minor units. Somebody pays at `payment_url` while it is pending."""

    id = serializers.UUIDField()
    receipt_number = serializers.CharField()
    state = serializers.ChoiceField(choices=TopUpState.values)
    credits = serializers.IntegerField()
    price_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    currency = serializers.CharField()
    created_at = serializers.DateTimeField()
    paid_at = serializers.DateTimeField(allow_null=True)
    payment_url = serializers.URLField(allow_null=True)


class TopUpList(serializers.Serializer):
    """Part of the top-ups, the newest first."""

    top_ups = TopUp(many=True)
    next = serializers.URLField(allow_null=True)
