"""What may stand in the query of an address: its shape, and how it is read.

Unknown parameters are refused: a filter that is misspelt would show other calls than were meant.
So are those without a value, which may have been meant to have one, and those with several.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rest_framework import serializers
from rest_framework.request import Request

from api.problems import Problem, at_parameter
from api.v1.paging import CURSOR_LENGTH_MAX
from billing import clock
from billing.models import Account, Kind
from billing.models.ledger import AGENT_LENGTH_MAX, CALL_ID_LENGTH_MAX
from billing.plans.granting import current_cycle
from billing.plans.rating import UsageType
from calls.limits import FIRST_INSTANT
from calls.models import Status
from calls.usage.filters import NO_AGENT, UsageFilters
from calls.usage.periods import Period, PeriodError, Preset, read_period

LIMIT_DEFAULT = 50
LIMIT_MAX = 200


class Query(serializers.Serializer):
    """The parameters of an address."""

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """Read them. Raises Problem, which names the first that can't be used."""
        query = cls(data=request.query_params)
        for name in request.query_params:
            if name not in query.fields:
                known = ", ".join(query.fields) or "none"
                raise at_parameter(name[:40], f"There is no such parameter here. Known: {known}.")
            if len(request.query_params.getlist(name)) > 1:
                raise at_parameter(name, "This stands here more than once. Give it one value.")
            if not request.query_params[name]:
                raise at_parameter(name, "This has no value. Give it one, or leave it out.")
        if not query.is_valid():
            raise Problem(
                "bad-request",
                "The address has a parameter that can’t be used.",
                errors=[
                    {"parameter": name, "detail": str(detail)}
                    for name, details in query.errors.items()
                    for detail in details
                ],
            )
        return dict(query.validated_data)


class InstantField(serializers.DateTimeField):
    """An instant, which a parameter without a time zone is not."""

    default_error_messages = {
        "invalid": "This is no time. Write it like 2026-11-23T14:05:09Z.",
        "no_zone": "This has no time zone. Write it like 2026-11-23T14:05:09Z.",
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        """Take an instant as it is."""
        if value.tzinfo is None:
            self.fail("no_zone")
        return value


class NoQuery(Query):
    """No parameter at all."""


class DaysQuery(Query):
    """Which days, in the account's zone."""

    period = serializers.ChoiceField(
        choices=[preset.value for preset in Preset],
        required=False,
        help_text="Days by name; `custom`, or no name, with `from` and `to`.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add those whose names Python keeps for itself."""
        fields: dict[str, serializers.Field] = super().get_fields()
        fields["from"] = serializers.DateField(
            required=False, help_text="The first day, in the account’s time zone."
        )
        fields["to"] = serializers.DateField(required=False, help_text="The last day.")
        return fields


class FilteredQuery(DaysQuery):
    """Which days and which rows."""

    usage_type = serializers.ChoiceField(
        choices=[usage.value for usage in UsageType], required=False
    )
    agent = serializers.CharField(max_length=AGENT_LENGTH_MAX, required=False)
    no_agent = serializers.BooleanField(
        required=False,
        error_messages={"invalid": "Write true or false."},
        help_text="`true`: only calls that name no agent. Not together with `agent`.",
    )


class PagedQuery(Query):
    """Which part of a list."""

    limit = serializers.IntegerField(
        min_value=1,
        max_value=LIMIT_MAX,
        default=LIMIT_DEFAULT,
        help_text="At most so many in one answer.",
    )
    cursor = serializers.CharField(
        max_length=CURSOR_LENGTH_MAX,
        required=False,
        help_text="From the address that the header Link calls next.",
    )


class CallsQuery(FilteredQuery, PagedQuery):
    """Which calls. Without days: all there are."""

    status = serializers.ChoiceField(choices=[status.value for status in Status], required=False)
    call_id = serializers.CharField(
        max_length=CALL_ID_LENGTH_MAX,
        trim_whitespace=False,
        required=False,
        help_text="The one call that has exactly this ID: its own, one that another system gives "
        "it, or the carrier’s.",
    )
    changed_since = InstantField(
        required=False,
        help_text="Calls that were recorded, corrected or withdrawn since then, or up to five "
        "minutes before, so that none is missed; the earliest change first. After them come those "
        "of which only `carrier_id` or `revised_at` changed. Not together with days. With a time "
        "zone: `2026-11-23T14:05:09Z`.",
    )


class AgentsQuery(FilteredQuery, PagedQuery):
    """Which days, and which part of the list of agents."""


class LedgerQuery(DaysQuery, PagedQuery):
    """Which movements: the days are those on which they happened, as in the call log."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in Kind], required=False)


class BalanceQuery(Query):
    """As of when."""

    at = InstantField(
        required=False,
        help_text="The balance as it was booked at that instant, with a time zone: "
        "`2026-11-23T14:05:09Z`. Now, where it is missing.",
    )


# ── What the parameters mean ──────────────────────────────────────────────────────────────────
def period_in(query: dict[str, Any], account: Account) -> Period:
    """The days that were asked for, the last seven where none were. Raises Problem."""
    now = clock.now()
    zone: ZoneInfo = account.zone
    cycle = None
    if query.get("period") == Preset.THIS_CYCLE:
        found = current_cycle(account=account, at=now)
        cycle = (found.starts_at, found.ends_at) if found is not None else None
    first, last = query.get("from"), query.get("to")
    if query.get("period", Preset.CUSTOM) != Preset.CUSTOM and (first or last):
        raise at_parameter("period", "Ask for days by name, or with from and to: not both.")
    try:
        return read_period(
            preset=query.get("period", ""),
            first=first.isoformat() if first else "",
            last=last.isoformat() if last else "",
            today=now.astimezone(zone).date(),
            zone=zone,
            cycle=cycle,
        )
    except PeriodError as error:
        raise at_parameter(error.field, f"{error.message}.") from None


def asked_for_days(query: dict[str, Any]) -> bool:
    """Whether any days were asked for."""
    return any(query.get(name) for name in ("period", "from", "to"))


def filters_in(query: dict[str, Any]) -> UsageFilters:
    """The filters that the pages have too. Raises Problem where they contradict each other."""
    agent = query.get("agent", "")
    if query.get("no_agent"):
        if agent:
            raise at_parameter("no_agent", "Ask for an agent, or for calls without one: not both.")
        agent = NO_AGENT
    return UsageFilters(usage_type=query.get("usage_type", ""), agent=agent)


def instant_in(query: dict[str, Any], name: str) -> datetime | None:
    """An instant that was asked for; None without one. Raises Problem without a time zone."""
    at: datetime | None = query.get(name)
    if at is None:
        return None
    if at < FIRST_INSTANT:
        raise at_parameter(name, f"This is before {FIRST_INSTANT.year}.")
    if at > clock.now():
        raise at_parameter(name, "This is in the future.")
    return at
