"""Usage: totals, days and agents."""

from rest_framework import serializers


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
    """What one agent used; an empty name stands for the calls that name none, which `no_agent`
    asks for."""

    agent = serializers.CharField()
    calls = serializers.IntegerField()
    credits_used = serializers.IntegerField()
    billed_seconds = serializers.IntegerField()


class AgentList(serializers.Serializer):
    """Part of the agents, by name."""

    period = Period()
    agents = Agent(many=True)
    next = serializers.URLField(allow_null=True)
