"""Believable phone traffic for demonstrations: one day's call records of one account, from a seed.

The same pattern and day always give the same records. Nothing here reads or writes the database;
the records pass the same `validate` as anybody's. Numbers are from ranges reserved for fiction.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from billing.plans.rating import UsageType
from calls.models import Status
from calls.records import CallRecord, validate

SATURDAY = 5

# Share of calls by the hour of a working day; the rest of the clock gets NIGHT_SHARE each.
HOUR_SHARES = {8: 3, 9: 8, 10: 12, 11: 12, 12: 8, 13: 6, 14: 10, 15: 11, 16: 10, 17: 7, 18: 3}
NIGHT_SHARE = 0.15

# What becomes of a call, in percent.
OUTCOMES = {
    UsageType.OUTBOUND: {
        Status.COMPLETED: 64,
        Status.NO_ANSWER: 20,
        Status.BUSY: 8,
        Status.FAILED: 4,
        Status.BLOCKED: 4,
    },
    UsageType.INBOUND: {Status.COMPLETED: 90, Status.NO_ANSWER: 7, Status.FAILED: 3},
    UsageType.TRANSLATION: {Status.COMPLETED: 97, Status.FAILED: 3},
}
REMARKS = {
    Status.BLOCKED: ("Number is on the do-not-call list", "Outside permitted calling hours"),
    Status.FAILED: ("Carrier could not connect the call", "Network timeout"),
}
RING_SECONDS = {
    Status.COMPLETED: (3, 22),
    Status.NO_ANSWER: (25, 45),
    Status.BUSY: (1, 4),
    Status.FAILED: (1, 9),
    Status.BLOCKED: (0, 0),
}
# Middle and longest talk of a connected call.
TALK_SECONDS = {
    UsageType.OUTBOUND: (55, 900),
    UsageType.INBOUND: (95, 1500),
    UsageType.TRANSLATION: (260, 2700),
}


@dataclass(frozen=True, slots=True)
class Agent:
    """An AI agent: what it does, and its share of the account's calls."""

    name: str
    usage_type: UsageType
    share: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """How an account uses the phone. ``numbers`` are patterns with ``{:02d}`` for two digits."""

    code: str
    zone: ZoneInfo
    agents: Sequence[Agent]
    calls_a_working_day: tuple[int, int]
    weekend_percent: int
    own_number: str
    numbers: Sequence[str]

    def call_id(self, chance: random.Random, started_at: datetime) -> str:
        """An identifier of the kind that telephone systems give."""
        if self.code == "asterisk":
            return f"{started_at.timestamp():.0f}.{chance.randrange(100, 99_999)}"
        if self.code == "uuid":
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        return f"{self.code}{chance.getrandbits(96):024x}"


def calls_of_day(
    *, traffic: Traffic, account_id: int, day: date, until: datetime, busier: float = 1
) -> list[CallRecord]:
    """The calls that began on ``day`` of the account and ended by ``until``, oldest first.

    ``busier`` multiplies how many there are, for a campaign.
    """
    chance = random.Random(f"{traffic.code} {day}")  # noqa: S311 - a demonstration, not a secret
    count = chance.randint(*traffic.calls_a_working_day) * busier
    if day.weekday() >= SATURDAY:
        count = count * traffic.weekend_percent / 100
    elif day.weekday() == 0:
        count *= 1.15
    records = [
        _call(
            traffic=traffic,
            account_id=account_id,
            chance=chance,
            started_at=_moment(chance, day, traffic.zone),
            until=until,
        )
        for _ in range(round(count))
    ]
    return sorted(
        (record for record in records if record is not None), key=lambda record: record.started_at
    )


def latest_calls(
    *,
    traffic: Traffic,
    account_id: int,
    until: datetime,
    minutes_ago: Sequence[int],
    agent: str = "",
) -> list[CallRecord]:
    """A call or so at each of ``minutes_ago``, at whatever time of day, oldest first.

    Where an ``agent`` is named, the last and every second before it are calls of that agent.
    """
    named = [each for each in traffic.agents if each.name == agent] or traffic.agents
    of_agent = replace(traffic, agents=named)
    chance = random.Random(f"{traffic.code} {until:%Y-%m-%d %H}")  # noqa: S311
    records = [
        _call(
            traffic=traffic if number % 2 else of_agent,
            account_id=account_id,
            chance=chance,
            started_at=until - timedelta(minutes=minutes, milliseconds=chance.randrange(60_000)),
            until=until,
        )
        for number, minutes in enumerate(sorted(minutes_ago))
    ]
    records.reverse()
    return [record for record in records if record is not None]


def _moment(chance: random.Random, day: date, zone: ZoneInfo) -> datetime:
    shares = [HOUR_SHARES.get(hour, NIGHT_SHARE) for hour in range(24)]
    hour = chance.choices(range(24), shares)[0]
    within = timedelta(milliseconds=chance.randrange(3_600_000))
    return (datetime.combine(day, time(hour), zone) + within).astimezone(UTC)


def _call(
    *,
    traffic: Traffic,
    account_id: int,
    chance: random.Random,
    started_at: datetime,
    until: datetime,
) -> CallRecord | None:
    agent = chance.choices(traffic.agents, [agent.share for agent in traffic.agents])[0]
    outcomes = OUTCOMES[agent.usage_type]
    status = chance.choices(list(outcomes), list(outcomes.values()))[0]
    other = chance.choice(traffic.numbers).format(chance.randrange(100))
    outgoing = agent.usage_type is UsageType.OUTBOUND
    call_id = traffic.call_id(chance, started_at)
    rang = _milliseconds(chance, *RING_SECONDS[status])
    if agent.usage_type is UsageType.TRANSLATION:
        rang = timedelta(0)
    middle, longest = TALK_SECONDS[agent.usage_type]
    seconds = min(longest, middle * chance.lognormvariate(0, 0.8))
    talked = timedelta(milliseconds=round(seconds * 1000))
    answered_at = started_at + rang
    completed = status is Status.COMPLETED
    ended_at = answered_at + talked if completed else answered_at
    remarks = chance.choice(REMARKS.get(status, ("",)))
    if ended_at > until:
        return None
    return validate(
        account_id=account_id,
        call_id=call_id,
        usage_type=agent.usage_type,
        status=status,
        started_at=started_at,
        connected_at=answered_at if completed else None,
        ended_at=ended_at,
        agent=agent.name,
        from_number=traffic.own_number if outgoing else other,
        to_number=other if outgoing else traffic.own_number,
        remarks=remarks,
        now=until,
    )


def _milliseconds(chance: random.Random, least: int, most: int) -> timedelta:
    return timedelta(milliseconds=chance.randint(least * 1000, most * 1000))
