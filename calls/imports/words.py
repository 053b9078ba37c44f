"""What a trial run and an import did, in sentences: for the command and for pages alike.

Dates have their month as a word, so that a day and a month that were swapped are seen.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.template.defaultfilters import pluralize

from billing.texts import grouped, in_credits
from calls.imports.summaries import Reason, Summary, Trial

REASONS_SHOWN = 10


def trial_sentences(trial: Trial, *, zone: ZoneInfo) -> list[str]:
    """What the import would do, and what tells whether the file is read right."""
    return list(_trial_sentences(trial, zone))


def _trial_sentences(trial: Trial, zone: ZoneInfo) -> Iterator[str]:
    summary = trial.summary
    yield (
        f"Would record {_calls(summary.created)}, correct {grouped(summary.corrected)}, leave "
        f"{grouped(summary.unchanged)} unchanged, reject {_lines(summary.rejected)}; "
        f"{in_credits(summary.credits)}."
    )
    yield from others(summary)
    if trial.first_started_at is not None and trial.last_started_at is not None:
        yield (
            f"The first call is of {in_words(trial.first_started_at, zone)}, the last of "
            f"{in_words(trial.last_started_at, zone)}."
        )
    if trial.longest_seconds:
        yield (
            f"The longest call lasts {timedelta(seconds=int(trial.longest_seconds))} "
            f"({trial.longest_call_id})."
        )
    if trial.agreement_percent is not None:
        yield f"{trial.agreement_percent} % of the stated durations agree with their times."
    if trial.history:
        yield (
            f"{_calls(trial.history)} started before the subscription began: history, not charged."
        )
    if trial.equal_rows:
        yield f"{_lines(trial.equal_rows)} equal another one, and count as calls of their own."
    if trial.suspicious:
        yield f"{_calls(trial.suspicious)} should be looked at:"
        yield from notes(summary)
    if trial.balance_after is not None:
        yield f"The balance would be {in_credits(trial.balance_after)}."


def others(summary: Summary) -> Iterator[str]:
    """What became of lines that are neither calls nor faults."""
    if summary.linked:
        yield (
            f"Calls that another source reports too, linked to them and counted once: "
            f"{summary.linked:,}."
        )
    if summary.joined:
        yield f"Lines joined with another of the same call: {summary.joined:,}."
    if summary.ignored:
        yield f"Lines that are no calls for billing: {summary.ignored:,}."


def notes(summary: Summary) -> Iterator[str]:
    """What whoever sent the file should know of calls that went in."""
    for note, noted in summary.notes.items():
        yield (
            f"{note.field} {note.said} "
            f"{noted.calls:,} call{pluralize(noted.calls)}, the first: {noted.first_call_id}"
        )


def reason_sentences(trial: Trial) -> list[str]:
    """Why lines would be rejected, the most frequent reasons first."""
    return [_said(reason) for reason in trial.frequent_reasons[:REASONS_SHOWN]]


def _said(reason: Reason) -> str:
    where = (
        f"Line {reason.first_line:,}"
        if reason.lines == 1
        else f"{_lines(reason.lines)}, the first {reason.first_line:,}"
    )
    return f"{where}: {reason.field} {reason.reason}"


def in_words(at: datetime, zone: ZoneInfo) -> str:
    """A day and a time as nobody can misread them: 3 November 2026, 14:05."""
    return f"{at.astimezone(zone):%-d %B %Y, %H:%M}"


def _calls(number: int) -> str:
    return f"{grouped(number)} call{pluralize(number)}"


def _lines(number: int) -> str:
    return f"{grouped(number)} line{pluralize(number)}"
