"""What the words of an unknown file mean: how a call ended, and who called whom."""

from billing.plans.rating import UsageType
from calls.models import Status
from calls.sources.mapped.answers import BY_TOTAL, Question, words_asked
from calls.sources.mapped.assigning import Parts
from calls.sources.mapped.columns import Column
from calls.sources.mapped.naming import IS_INVERTED, YES_MEANS
from calls.sources.mapped.profile import Choice, Words
from calls.sources.mapped.vocabulary import (
    BEGINNINGS,
    INVERTED,
    as_words,
    status_meant,
    usage_meant,
)
from calls.sources.mapped.whole_columns import WholeColumns

_ASKED = (
    "Which calls were answered? If a column tells it, choose that column as the outcome; else say "
    "it here."
)
_ALL = (Status.COMPLETED.value, "All of them were answered")
ANSWERED_AT_ALL = Question("status", _ASKED, (_ALL,))
ANSWERED_BY_TOTAL = Question(
    "status", _ASKED, ((BY_TOTAL, "Those with a duration of more than 0"), _ALL)
)


def status_told(parts: Parts, whole: WholeColumns) -> tuple[Choice, list[Question]]:
    """How the file tells which calls were answered; where it does not surely, that is asked."""
    by = _by(parts)
    if "status" not in parts:
        if by in ("talk", "connected_at"):
            return Choice(by=by, otherwise=Status.NO_ANSWER.value), []
        # A duration may be that of ringing, and a column of words that nobody knows the outcome.
        if by:
            return Choice(by=by, otherwise=Status.NO_ANSWER.value), [ANSWERED_BY_TOTAL]
        return Choice(otherwise=Status.COMPLETED.value), [ANSWERED_AT_ALL]
    column = parts["status"][0]
    is_inverted = column.name.words in IS_INVERTED
    meant: dict[str, str] = {}
    unknown = []
    for text in whole.words(column.title):
        status = status_meant(text)
        if status is None:
            unknown.append(text)
        else:
            meant[text] = (INVERTED.get(status, status) if is_inverted else status).value
    choice = Choice((column.title,), _grouped(meant), by=by)
    return choice, words_asked("status", column.title, unknown)


def _by(parts: Parts) -> str:
    """What tells an answered call where no word does."""
    if "connected_at" in parts and not parts["connected_at"][-1].is_full:
        return "connected_at"
    return next((part for part in ("talk", "connected_at", "total") if part in parts), "")


def usage_type_told(parts: Parts, whole: WholeColumns) -> tuple[Choice, list[Question]]:
    """How the file tells who called whom; where it does not, that is asked."""
    if "usage_type" not in parts:
        question = Question(
            "usage_type",
            "Nothing in the file tells who called whom. What are these calls?",
            (
                (UsageType.INBOUND.value, "Received (inbound): charged from their start"),
                (UsageType.OUTBOUND.value, "Made (outbound): charged from when they are answered"),
            ),
        )
        return Choice(otherwise=UsageType.OUTBOUND.value), [question]
    column: Column = parts["usage_type"][0]
    meant: dict[str, str] = {}
    unknown = []
    yes = YES_MEANS.get(column.name.words)
    for text in whole.words(column.title):
        usage = usage_meant(text) if yes is None else _said_by_yes(yes, text)
        if usage is None:
            unknown.append(text)
        else:
            meant[text] = usage.value
    begun = {
        beginning
        for beginning in BEGINNINGS
        if any(as_words(text).startswith(beginning) for text in meant)
    }
    if begun:
        # A later file of the same system may have others that begin so: outbound-dial.
        meant |= {f"{beginning}*": BEGINNINGS[beginning].value for beginning in sorted(begun)}
    choice = Choice((column.title,), _grouped(meant))
    return choice, words_asked("usage_type", column.title, unknown)


def _said_by_yes(yes: UsageType, text: str) -> UsageType | None:
    """What yes or no says in a column whose yes means ``yes``."""
    said = status_meant(text)
    if said is None:
        return None
    no = UsageType.OUTBOUND if yes is UsageType.INBOUND else UsageType.INBOUND
    return {Status.COMPLETED: yes, Status.NO_ANSWER: no}.get(said)


def _grouped(meant: dict[str, str]) -> Words:
    words: dict[str, list[str]] = {}
    for theirs, ours in meant.items():
        words.setdefault(ours, []).append(theirs)
    return tuple((ours, tuple(theirs)) for ours, theirs in words.items())
