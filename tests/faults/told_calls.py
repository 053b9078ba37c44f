"""What programs and platforms tell of calls in a run of the fault harness.

All of it is decided before anything is sent, so that it can be told twice: to one account while
everything breaks, and to another one in peace.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from calls.models import Call
from tests.calls.inbox.fake_platforms import listed_by_twilio, listed_by_vapi
from tests.calls.inbox.sending import callbacks, iso, report

INCREMENT_SECONDS = 30  # of Professional, at one credit
BATCH_MAX = 12
SENDERS_OF_PLATFORMS = 3
# Who reports a call: a program, an agent platform, a carrier, or the last two of them.
REPORTERS = {"api": 50, "vapi": 20, "twilio": 15, "both": 15}
CARRIER_PREFIX = "CA"
UNANSWERED_SHARE = 0.15
CORRECTED_SHARE = 0.25
WITHDRAWN_SHARE = 0.08
# Of platforms that do not repeat what was not taken: their lists have it.
SENT_ONCE_SHARE = 0.4


class Message(NamedTuple):
    """One request to a ``door``. ``calls`` are the names of those that it tells wholly.

    Where it ``is_sent_once``, nobody sends it again if it is not accepted.
    """

    door: str
    body: Any
    calls: tuple[str, ...] = ()
    is_sent_once: bool = False


@dataclass
class Told:
    """What is told: the messages of each sender in its order, and what the platforms' lists have.

    ``credits`` are what each call has to cost in the end, by its name; ``withdrawn`` are the names
    of those that count no more then.
    """

    senders: list[list[Message]] = field(default_factory=list)
    in_lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    credits: dict[str, int] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    def repeatable(self) -> list[Message]:
        """The messages that change nothing when they come again."""
        return [
            message
            for messages in self.senders
            for message in messages
            if message.door != "withdrawal" and self.withdrawn.isdisjoint(message.calls)
        ]


def name_of(call: Call) -> str:
    """The name of a call: one that platform and carrier tell has one, whoever told it first."""
    return (call.carrier_id or call.call_id).removeprefix(CARRIER_PREFIX)


def tell(*, calls: int, seed: int, now: datetime) -> Told:
    """Decide what becomes of so many calls of the last half an hour, and who tells it how."""
    chance = random.Random(f"{seed} calls")
    told = Told(in_lists={"vapi": [], "twilio": []})
    records: list[dict[str, Any]] = []
    sent: list[Message] = []
    for number in range(calls):
        kind = chance.choices(list(REPORTERS), weights=list(REPORTERS.values()))[0]
        at = now.replace(microsecond=0) - timedelta(minutes=6, seconds=chance.randrange(1_500))
        seconds = chance.randint(1, 200)
        is_answered = chance.random() > UNANSWERED_SHARE
        is_corrected = is_answered and chance.random() < CORRECTED_SHARE
        name = f"{kind}-{number}"
        told.credits[name] = -(-seconds // INCREMENT_SECONDS) if is_answered else 0
        if kind == "api":
            records += _records(name, at, seconds, is_answered, is_corrected)
        if kind in ("vapi", "both"):
            sent += _reports(told, name, at, seconds, is_answered, is_corrected)
        if kind in ("twilio", "both"):
            # A carrier's line is open for longer than the agent is on it.
            sent += _callbacks(told, name, at, seconds + 31 * (kind == "both"), is_answered)
    told.senders += _programs(told, records, chance)
    told.senders += _platforms(sent, chance)
    return told


def _records(
    name: str, at: datetime, seconds: int, is_answered: bool, is_corrected: bool
) -> list[dict[str, Any]]:
    """The records of a call, each later than the one before."""
    facts = {
        "call_id": name,
        "usage_type": "outbound",
        "status": "completed" if is_answered else "no_answer",
        "started_at": iso(at),
        "agent": "Asha",
        "revised_at": iso(at + timedelta(minutes=4)),
    }
    if is_answered:
        facts |= {"connected_at": iso(at), "ended_at": iso(at + timedelta(seconds=seconds))}
    if not is_corrected:
        return [facts]
    too_long = {
        "ended_at": iso(at + timedelta(seconds=seconds + 95)),
        "revised_at": iso(at + timedelta(minutes=3)),
    }
    return [facts | too_long, facts]


def _reports(
    told: Told, name: str, at: datetime, seconds: int, is_answered: bool, is_corrected: bool
) -> Iterator[Message]:
    reason = {} if is_answered else {"endedReason": "customer-busy"}
    last = report(name, at=at, seconds=seconds, sent=at + timedelta(minutes=3), **reason)
    told.in_lists["vapi"].append(listed_by_vapi(last))
    if is_corrected:
        yield Message("vapi", report(name, at=at, seconds=seconds + 40), (name,))
    yield Message("vapi", last, (name,))


def _callbacks(
    told: Told, name: str, at: datetime, seconds: int, is_answered: bool
) -> Iterator[Message]:
    status = "completed" if is_answered else "busy"
    forms = callbacks(CARRIER_PREFIX + name, at=at, seconds=seconds, rings=0, status=status)
    told.in_lists["twilio"].append(listed_by_twilio(forms))
    for form in forms:
        yield Message("twilio", form, (name,) if form is forms[-1] else ())


def _programs(
    told: Told, records: Sequence[dict[str, Any]], chance: random.Random
) -> Iterator[list[Message]]:
    """Two programs that tell the same; one tells some more, which it withdraws in the end."""
    names = list(dict.fromkeys(record["call_id"] for record in records))
    told.withdrawn = set(chance.sample(names, round(len(names) * WITHDRAWN_SHARE)))
    told.credits |= dict.fromkeys(told.withdrawn, 0)
    own = [record for record in records if record["call_id"] in told.withdrawn]
    common = [record for record in records if record["call_id"] not in told.withdrawn]
    yield _batches(chance.sample(common, len(common)), chance)
    yield [
        *_batches(chance.sample(common, len(common)), chance),
        *_batches(own, chance),
        *(Message("withdrawal", name, (name,)) for name in sorted(told.withdrawn)),
    ]


def _batches(records: Sequence[dict[str, Any]], chance: random.Random) -> list[Message]:
    batches = []
    while records:
        size = chance.randint(1, BATCH_MAX)
        batch, records = records[:size], records[size:]
        batches.append(Message("api", batch, tuple(record["call_id"] for record in batch)))
    return batches


def _platforms(sent: Sequence[Message], chance: random.Random) -> list[list[Message]]:
    """Senders that tell it in disorder, each message one to three times."""
    senders: list[list[Message]] = [[] for _ in range(SENDERS_OF_PLATFORMS)]
    for message in sent:
        is_sent_once = chance.random() < SENT_ONCE_SHARE
        for sender in chance.sample(senders, 1 if is_sent_once else chance.randint(1, 3)):
            sender.append(message._replace(is_sent_once=is_sent_once))
    for sender in senders:
        chance.shuffle(sender)
    return senders
