"""Plans: what they give and cost, and the account's own."""

from rest_framework import serializers

from api.v1.shapes.credits import Grant


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
