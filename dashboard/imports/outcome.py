"""What a trial run or an import came to, in sentences and figures for its page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from django.utils.text import capfirst

from billing.texts import grouped, in_credits
from calls.imports.summaries import Summary, Trial
from dashboard.templatetags.figures import balance_in_words
from dashboard.templatetags.times import day, duration

REASONS_SHOWN = 10
NOTES_SHOWN = 5
# With fewer, a duration has probably the wrong unit, or a time the wrong column.
AGREEMENT_PERCENT_MIN = 90

# The value that a reason names.
_QUOTED = re.compile("“[^”]*”")


class Tile(NamedTuple):
    """A figure with its name."""

    name: str
    figure: str
    note: str = ""


class Detail(NamedTuple):
    """Something to know about the calls. ``warning``: a word where it should be looked at."""

    name: str
    said: str
    warning: str = ""


class ReasonRow(NamedTuple):
    """Why lines are left out: how many, and the first of them."""

    field: str
    reason: str
    lines: int
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomePanel:
    """The figures and facts of a trial run or an import."""

    title: str
    is_trial: bool
    tiles: Sequence[Tile]
    facts: Sequence[Detail]
    reasons: Sequence[ReasonRow]
    reasons_more: int


def of_trial(trial: Trial, *, balance: int, zone: tzinfo) -> OutcomePanel:
    """Say what an import would do, and what tells whether the file is read right."""
    reasons = _reasons(trial)
    return OutcomePanel(
        title="What would happen",
        is_trial=True,
        tiles=_tiles(trial.summary),
        facts=[*_balance(trial, balance), *_calls(trial, zone), *_lines(trial.summary, trial)],
        reasons=reasons[:REASONS_SHOWN],
        reasons_more=max(0, len(reasons) - REASONS_SHOWN),
    )


def of_import(summary: Summary, *, is_withdrawn: bool = False) -> OutcomePanel:
    """Say what an import has done so far, or had done before it was taken back."""
    return OutcomePanel(
        title="What it had done" if is_withdrawn else "What happened",
        is_trial=False,
        tiles=_tiles(summary),
        facts=_lines(summary, None),
        reasons=[],
        reasons_more=0,
    )


def trial_in_words(trial: Trial) -> str:
    """One sentence: what would be recorded, and what it would cost."""
    summary = trial.summary
    done = _listed(
        (summary.created, "record {}", "call"),
        (summary.corrected, "correct {}", "call"),
        (summary.unchanged, "leave {} as they are", "call"),
        (summary.linked, "link {} to reports of other sources", "call"),
        (summary.rejected, "leave out {}", "line"),
    )
    if not done:
        return "There are no calls in this file."
    return f"Importing it would {done}, for {in_credits(summary.credits)}."


def import_in_words(summary: Summary) -> str:
    """One sentence: what was recorded, and what it cost."""
    done = _listed(
        (summary.created, "{} recorded", "call"),
        (summary.corrected, "{} corrected", "call"),
        (summary.unchanged, "{} known already", "call"),
        (summary.linked, "{} linked to reports of other sources", "call"),
        (summary.rejected, "{} left out", "line"),
    )
    return f"{capfirst(done)}, for {in_credits(summary.credits)}." if done else ""


def calls_of(summary: Summary) -> int:
    """How many calls the import recorded, changed or found."""
    return summary.created + summary.corrected + summary.unchanged + summary.linked


def counted(number: int, noun: str) -> str:
    """``number`` of them in words: "1 call", "12,480 calls"."""
    return f"{grouped(number)} {noun}{'' if number == 1 else 's'}"


def _listed(*parts: tuple[int, str, str]) -> str:
    """Those of ``parts`` that are not zero: "record 3 calls, correct 1 call and leave out 2"."""
    said = []
    for number, pattern, noun in parts:
        if number:
            if number == 1:
                pattern = pattern.replace("they are", "it is")
            said.append(pattern.format(counted(number, noun)))
    if len(said) < 2:
        return "".join(said)
    return f"{', '.join(said[:-1])} and {said[-1]}"


def _reasons(trial: Trial) -> list[ReasonRow]:
    """The reasons, most frequent first; those that differ only in the value are one."""
    found: dict[tuple[str, str], ReasonRow] = {}
    for each in trial.frequent_reasons:
        key = (each.field, _QUOTED.sub("", each.reason, count=1))
        known = found.get(key)
        if known is None:
            found[key] = ReasonRow(each.field, each.reason, each.lines, each.first_line)
        else:
            line = min(known.line, each.first_line)
            found[key] = known._replace(lines=known.lines + each.lines, line=line)
    return sorted(found.values(), key=lambda row: (-row.lines, row.line))


def _tiles(summary: Summary) -> list[Tile]:
    return [
        Tile("New calls", grouped(summary.created)),
        Tile("Corrected", grouped(summary.corrected)),
        Tile("As they were", grouped(summary.unchanged)),
        *([Tile("Reported elsewhere too", grouped(summary.linked))] if summary.linked else []),
        Tile("Lines left out", grouped(summary.rejected)),
        Tile("Credits", grouped(summary.credits)),
    ]


def _balance(trial: Trial, balance: int) -> list[Detail]:
    if trial.balance_after is None:
        return []
    after = balance - trial.summary.credits
    warning = "below zero" if after < 0 <= balance else ""
    return [
        Detail(
            "Balance",
            f"{capfirst(balance_in_words(balance))} now → {balance_in_words(after)} afterwards",
            warning,
        )
    ]


def _calls(trial: Trial, zone: tzinfo) -> list[Detail]:
    facts = []
    if trial.first_started_at and trial.last_started_at:
        first, last = (
            day(each.astimezone(zone).date())
            for each in (trial.first_started_at, trial.last_started_at)
        )
        facts.append(Detail("Calls made", f"First {first}, last {last}"))
    if trial.longest_seconds:
        longest = duration(round(trial.longest_seconds))
        facts.append(Detail("Longest call", f"{longest}, {trial.longest_call_id}"))
    percent = trial.agreement_percent
    if percent is not None:
        facts.append(
            Detail(
                "Lengths",
                f"{percent} % agree with the times of their calls, to a second",
                "" if percent >= AGREEMENT_PERCENT_MIN else "check the unit and the times",
            )
        )
    if trial.history:
        facts.append(
            Detail(
                "Before your plan",
                f"{counted(trial.history, 'call')} began before your subscription: "
                "recorded and not charged",
            )
        )
    return facts


def _lines(summary: Summary, trial: Trial | None) -> list[Detail]:
    facts = [Detail("Lines in the file", grouped(summary.lines))]
    if summary.joined:
        facts.append(
            Detail("Parts of calls", f"{counted(summary.joined, 'line')} of calls with several")
        )
    if summary.ignored:
        facts.append(
            Detail("No calls", f"{counted(summary.ignored, 'line')}, left out as they should be")
        )
    if trial is not None and trial.equal_rows:
        facts.append(
            Detail(
                "Equal lines",
                f"{counted(trial.equal_rows, 'line')} the same as another one, each a call of its "
                "own (#2, #3 …)",
            )
        )
    if summary.has_many_corrections:
        facts.append(
            Detail(
                "Corrections",
                "More than a tenth of the lines change calls that are known already. Are their IDs "
                "used again for other calls?",
                "look at this",
            )
        )
    for note, noted in list(summary.notes.items())[:NOTES_SHOWN]:
        facts.append(
            Detail(
                capfirst(note.field),
                f"{note.said} {counted(noted.calls, 'call')}, the first is {noted.first_call_id}",
                "look at this",
            )
        )
    return facts
