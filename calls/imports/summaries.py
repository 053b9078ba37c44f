"""What an import has done so far, in numbers. Stored as JSON with the import."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from calls.records import Note

# Different reasons that a trial run tells apart; a file with more has one mistake in many words.
REASONS_MAX = 200


class Noted(NamedTuple):
    """How many calls a note is about, and which was the first."""

    first_call_id: str
    calls: int = 0


@dataclass(slots=True)
class Summary:
    """What an import has done so far.

    ``lines`` counts the records of the file, ``joined`` those that only complete the call of
    another line, ``ignored`` those that are no calls for billing, ``linked`` those of calls that
    another reporter tells too and that count there. Created, unchanged, corrected, linked and
    rejected add up to the rest of them.
    """

    lines: int = 0
    joined: int = 0
    ignored: int = 0
    created: int = 0
    unchanged: int = 0
    corrected: int = 0
    linked: int = 0
    rejected: int = 0
    credits: int = 0
    notes: dict[Note, Noted] = field(default_factory=dict)

    @property
    def lines_done(self) -> int:
        """How many lines have come to their end, good or bad."""
        return sum(getattr(self, name) for name in LINES_DONE)

    @property
    def has_many_corrections(self) -> bool:
        """Whether more than a tenth of the lines changed a known call: their IDs may be reused."""
        return 10 * self.corrected > self.lines

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        counts = {name: getattr(self, name) for name in COUNTS}
        notes = [
            [note.field, note.said, noted.first_call_id, noted.calls]
            for note, noted in self.notes.items()
        ]
        return {**counts, "notes": notes}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Summary":
        """Return the summary that `as_json` stored; an empty one of nothing."""
        notes = {
            Note(field, said): Noted(first, calls)
            for field, said, first, calls in stored.get("notes", ())
        }
        return cls(**{name: stored.get(name, 0) for name in COUNTS}, notes=notes)

    def note(self, note: Note, call_id: str) -> None:
        """Count a call that ``note`` is about."""
        known = self.notes.get(note, Noted(call_id))
        self.notes[note] = known._replace(calls=known.calls + 1)

    def plus(self, other: "Summary") -> "Summary":
        """The sum of both. Of notes it has the first call of the first."""
        total = self.copy()
        for name in COUNTS:
            setattr(total, name, getattr(self, name) + getattr(other, name))
        for note, noted in other.notes.items():
            known = total.notes.get(note, Noted(noted.first_call_id))
            total.notes[note] = known._replace(calls=known.calls + noted.calls)
        return total

    def copy(self) -> "Summary":
        """A summary with the same numbers that can be counted on without changing this one."""
        return replace(self, notes=dict(self.notes))


LINES_DONE = ("joined", "ignored", "created", "unchanged", "corrected", "linked", "rejected")
COUNTS = ("lines", *LINES_DONE, "credits")


class Reason(NamedTuple):
    """Why lines would be rejected: how many, and the first of them."""

    field: str
    reason: str
    lines: int
    first_line: int


@dataclass(slots=True)
class Trial:
    """What an import would do: its ``summary``, and what tells whether the file is read right.

    ``agreeing`` and ``disagreeing`` count calls whose stated duration does or does not fit their
    times. ``equal_rows`` are lines that are a call of their own though another line is equal.
    ``balance_after`` is what the account would have now, if all were recorded; None before the end.
    """

    summary: Summary = field(default_factory=Summary)
    first_started_at: datetime | None = None
    last_started_at: datetime | None = None
    longest_seconds: float = 0
    longest_call_id: str = ""
    agreeing: int = 0
    disagreeing: int = 0
    equal_rows: int = 0
    history: int = 0
    balance_after: int | None = None
    reasons: dict[tuple[str, str], Reason] = field(default_factory=dict)

    @property
    def suspicious(self) -> int:
        """How many calls are charged, but have something that somebody should look at."""
        return sum(noted.calls for noted in self.summary.notes.values())

    @property
    def agreement_percent(self) -> int | None:
        """The share of durations that fit, rounded down; None where none is stated."""
        stated = self.agreeing + self.disagreeing
        return 100 * self.agreeing // stated if stated else None

    @property
    def frequent_reasons(self) -> list[Reason]:
        """The reasons of rejection, the most frequent first."""
        return sorted(self.reasons.values(), key=lambda one: (-one.lines, one.first_line))

    def started(self, at: datetime) -> None:
        """Widen the time in which the calls started."""
        self.first_started_at = min(self.first_started_at or at, at)
        self.last_started_at = max(self.last_started_at or at, at)

    def reject(self, *, line: int, field: str, reason: str) -> None:
        """Count a line among those with its reason."""
        key = (field, reason)
        known = self.reasons.get(key)
        if known is not None:
            self.reasons[key] = known._replace(
                lines=known.lines + 1, first_line=min(known.first_line, line)
            )
        elif len(self.reasons) < REASONS_MAX:
            self.reasons[key] = Reason(field, reason, 1, line)

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` takes."""
        return {
            "summary": self.summary.as_json(),
            "first_started_at": self.first_started_at and self.first_started_at.isoformat(),
            "last_started_at": self.last_started_at and self.last_started_at.isoformat(),
            "reasons": [list(reason) for reason in self.reasons.values()],
            **{name: getattr(self, name) for name in MEASURES},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Trial":
        """Return the trial that `as_json` stored; an empty one of nothing."""
        reasons = [Reason(*reason) for reason in stored.get("reasons", ())]
        trial = cls(
            summary=Summary.from_json(stored.get("summary", {})),
            first_started_at=_instant(stored.get("first_started_at")),
            last_started_at=_instant(stored.get("last_started_at")),
            reasons={(reason.field, reason.reason): reason for reason in reasons},
        )
        for name in MEASURES:
            if name in stored:
                setattr(trial, name, stored[name])
        return trial


MEASURES = (
    "longest_seconds",
    "longest_call_id",
    "agreeing",
    "disagreeing",
    "equal_rows",
    "history",
    "balance_after",
)


def _instant(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None
