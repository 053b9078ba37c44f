"""Top-ups: what is bought, and how it stands."""

from rest_framework import serializers

from billing.models import TopUpState


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
