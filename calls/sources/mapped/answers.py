"""What a file leaves open: questions with their choices, and a profile with the answers in it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from billing.plans.rating import UsageType
from billing.texts import storable
from calls.models import Status
from calls.sources.mapped.profile import UNITS, Choice, Profile, ProfileError

ASKED_MAX: Final = 12  # words of one column; whoever has more says them in the mapping
MEANINGS: Final = {
    "status": tuple((status.value, status.label) for status in Status),
    "usage_type": tuple((usage.value, usage.value.capitalize()) for usage in UsageType),
}
TIMES: Final = ("started_at", "connected_at", "ended_at", "revised_at")
DAY_ORDERS: Final = ("dmy", "mdy")  # of a time: day first, month first
BY_TOTAL: Final = "total"  # the answer that a duration tells who was answered
LENGTHS: Final = ("talk", "total", "waiting")


class Question(NamedTuple):
    """Something that a file does not tell: what about, in words, and the possible answers.

    ``choices`` are a value and its words each. `answered` puts the value into a profile.
    """

    topic: str
    said: str
    choices: tuple[tuple[str, str], ...]


def words_asked(field: str, column: str, words: Sequence[str]) -> list[Question]:
    """Ask what ``words`` of a column mean."""
    return [
        Question(
            f"{field}:{word}",
            f"What does “{storable(word[:60])}” in “{storable(column[:40])}” mean?",
            MEANINGS[field],
        )
        for word in words[:ASKED_MAX]
    ]


def answered(profile: Profile, topic: str, value: str) -> Profile:
    """Return ``profile`` with the answer to one question. Raises ProfileError for no answer."""
    if topic == "dates":
        if value not in DAY_ORDERS:
            raise ProfileError("Choose whether the day or the month comes first.", field=topic)
        changed: dict[str, Any] = {
            name: replace(moment, form=value)
            for name in TIMES
            if (moment := getattr(profile, name)) is not None and moment.form in DAY_ORDERS
        }
        return replace(profile, **changed)
    field, _, word = topic.partition(":")
    if topic == "status" and value == BY_TOTAL:
        return replace(
            profile,
            status=replace(profile.status, by=BY_TOTAL, otherwise=Status.NO_ANSWER.value),
        )
    if field == "unit":
        return _with_unit(profile, word, value)
    if field not in MEANINGS or value not in dict(MEANINGS[field]):
        raise ProfileError("Choose one of the answers.", field=topic)
    choice: Choice = getattr(profile, field)
    if not word:
        return _with(profile, field, replace(choice, otherwise=value, by=""))
    words = dict(choice.words)
    words[value] = (*words.get(value, ()), word)
    return _with(profile, field, replace(choice, words=tuple(words.items())))


def in_zone(profile: Profile, zone: str) -> Profile:
    """Return ``profile`` with its times in ``zone``, where it names another one for them.

    A time keeps a zone that is not that of the start: its column names it.
    """
    first = profile.started_at or profile.connected_at or profile.ended_at
    if first is None or not first.zone:
        return profile
    changed: dict[str, Any] = {
        name: replace(moment, zone=zone)
        for name in TIMES
        if (moment := getattr(profile, name)) is not None and moment.zone == first.zone
    }
    return replace(profile, **changed)


def _with(profile: Profile, field: str, choice: Choice) -> Profile:
    if field == "status":
        return replace(profile, status=choice)
    return replace(profile, usage_type=choice)


def _with_unit(profile: Profile, part: str, unit: str) -> Profile:
    amount = getattr(profile, part) if part in LENGTHS else None
    if amount is None or unit not in UNITS:
        raise ProfileError("Choose one of the units.", field=f"unit:{part}")
    changed: dict[str, Any] = {part: replace(amount, unit=unit)}
    return replace(profile, **changed)
