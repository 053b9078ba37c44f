"""Platforms whose messages are JSON that says what kind of event it is."""

from collections.abc import Mapping
from typing import Any, ClassVar

from calls.platforms import Delivery, Event, ForgedError, Platform
from calls.platforms.payloads import json_document, picked, text_at


class EventPlatform(Platform):
    """Takes events of some kinds, and says of all others that they do not tell how a call went."""

    kind_at: ClassVar[str]  # where in a message its kind stands
    kinds: ClassVar[tuple[str, ...]]  # those that tell something of a call
    call_id_at: ClassVar[str]

    def event(self, delivery: Delivery, *, options: Mapping[str, str]) -> Event:
        """What an event of one of the ``kinds`` tells. Raises ForgedError where it is no event."""
        document = json_document(delivery.body)
        kind = text_at(document, self.kind_at)
        if not kind:
            raise ForgedError(f"the body is no event of {self.label}")
        if kind not in self.kinds:
            said = (
                f"{self.label} sent the event “{kind[:40]}”, which does not tell how a call went."
            )
            return Event(irrelevant=said)
        return self.event_of(document)

    def event_of(self, document: Mapping[str, Any]) -> Event:
        """The named fields of a message that tells of a call."""
        fields = picked(document, self.names)
        return Event(fields.get(self.call_id_at, ""), fields)
