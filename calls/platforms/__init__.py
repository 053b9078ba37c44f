"""Platforms that report calls by themselves: what each of them has to say of itself.

A platform (`calls.sources.registry.PLATFORMS`) verifies what is delivered, takes the named fields
of it that a call is made of, asks its list for what never came, and says in words how it is set up.
It stores nothing. Where a shipped profile of files reads the same notation, the platform names it:
then a file and a webhook with the same facts make the same record.

What is known of a call is a function of the set of its events: the order in which they came, or how
often, changes nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from calls.platforms.asking import Asker
from calls.records import CallRecord

Fields: TypeAlias = Mapping[str, str]


class ForgedError(Exception):
    """A delivery is not of this source, or can't be read: the message says why."""


class Delivery(NamedTuple):
    """A message as it came.

    ``headers`` are found in any case. ``url`` is the address that the platform was given, built
    from the site's own and never from what the request calls its host.
    """

    body: bytes
    headers: Mapping[str, str]
    url: str
    content_type: str = ""


class Event(NamedTuple):
    """What a message tells: the ID of a call and the named ``fields`` of it.

    ``irrelevant`` says why it is about no call; then there are no fields.
    """

    call_id: str = ""
    fields: Fields = {}
    irrelevant: str = ""


class StoredEvent(NamedTuple):
    """An event of a call as it is stored. ``digest`` orders those that are alike otherwise."""

    fields: Fields
    is_pulled: bool
    digest: bytes


class Unfinished(NamedTuple):
    """Why the events of a call make no record, or not yet."""

    reason: str


class Setting(NamedTuple):
    """Something that whoever connects a source has to say. ``help`` says where it is found."""

    name: str
    label: str
    help: str
    is_required: bool = True
    default: str = ""


class Signed(NamedTuple):
    """A message as the platform would send it: for tests of an address, and for examples."""

    body: bytes
    headers: Mapping[str, str]
    content_type: str


class PulledPage(NamedTuple):
    """Some calls of a platform's list.

    ``unfinished_since`` is when the oldest of those on it started that are still under way: they
    have to be asked for again.
    """

    events: Sequence[Event]
    unfinished_since: datetime | None = None


class Platform(ABC):
    """One kind of source. There is one instance of each (`calls.sources.registry`)."""

    name: ClassVar[str]  # in addresses, and as it is stored
    label: ClassVar[str]

    # Whether we make the secret, or the platform does. `secret` says what it is called there.
    makes_secret: ClassVar[bool]
    secret: ClassVar[Setting]
    options: ClassVar[tuple[Setting, ...]] = ()
    # The key with which its list of calls is asked; None where there is no list.
    api_key: ClassVar[Setting | None] = None
    # Whether the secret is the key, too.
    secret_is_api_key: ClassVar[bool] = False
    api_base: ClassVar[str] = ""

    # The shipped profile that makes a record of the fields; "" where `record` does.
    profile: ClassVar[str] = ""
    # Fields that are kept besides those of the profile.
    fields: ClassVar[tuple[str, ...]] = ()
    # Which of the fields hold the carrier's own ID of the call; the first that is told counts.
    carrier_id: ClassVar[tuple[str, ...]] = ()

    # In words, for whoever sets it up: what to do there, and what its records mean here.
    steps: ClassVar[tuple[str, ...]]
    meanings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, columns: Sequence[str] = ()) -> None:
        """``columns`` are those of its profile."""
        self.names = tuple(dict.fromkeys((*columns, *self.fields)))  # the fields that are kept

    @abstractmethod
    def verify(
        self,
        delivery: Delivery,
        *,
        secrets: Sequence[str],
        options: Mapping[str, str],
        now: datetime,
    ) -> None:
        """Believe ``delivery`` if one of ``secrets`` signed it. Raises ForgedError."""

    @abstractmethod
    def event(self, delivery: Delivery, *, options: Mapping[str, str]) -> Event:
        """Return what a verified delivery tells. Raises ForgedError where it can't be read."""

    def order(self, fields: Fields) -> Any:
        """What orders the events of a call, by what they tell themselves: the last one counts."""
        return ""

    def combined(self, events: Sequence[StoredEvent]) -> Fields:
        """What all ``events`` of a call tell together, in whatever order they are given.

        What the platform's list says goes before what was sent, and the later before the earlier;
        a field that one of them leaves open is told by the next.
        """
        if len(events) == 1:
            return events[0].fields
        ordered = sorted(
            events, key=lambda event: (event.is_pulled, self.order(event.fields), event.digest)
        )
        told: dict[str, str] = {}
        for event in ordered:
            told.update({name: text for name, text in event.fields.items() if text})
        return told

    def carrier_id_of(self, call_id: str, events: Sequence[StoredEvent]) -> str:
        """The carrier's own ID of a call, by all its events; "" where none tells it."""
        told = self.combined(events)
        return next((text for name in self.carrier_id if (text := told.get(name, ""))), "")

    def record(
        self,
        events: Sequence[StoredEvent],
        *,
        call_id: str,
        account_id: int,
        zone: ZoneInfo,
        options: Mapping[str, str],
        now: datetime,
    ) -> CallRecord | Unfinished:
        """Make a record of all events of a call, where there is no profile. Raises Rejected.

        ``zone`` is the account's, for times that name none.
        """
        raise NotImplementedError

    def pulled(
        self,
        asker: Asker,
        *,
        api_key: str,
        options: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> Iterator[PulledPage]:
        """Give the calls that started between ``since`` and ``until``, page by page.

        Raises `calls.platforms.asking.AskingError`.
        """
        raise NotImplementedError

    @abstractmethod
    def sample(
        self, *, call_id: str, secret: str, url: str, options: Mapping[str, str], now: datetime
    ) -> Signed | None:
        """Return a message about an invented call of 42 s that ended ``now``, signed.

        None where nobody but the platform can sign.
        """
