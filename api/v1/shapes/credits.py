"""Credits: movements, grants and balances."""

from rest_framework import serializers

from billing.models import GrantSource, Kind
from billing.plans.rating import UsageType

USAGE_TYPES = [usage.value for usage in UsageType]


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
