"""What recording a batch would do: the same reading and rating, counted and not recorded."""

from datetime import datetime

from billing.ledger.balances import balance_of
from billing.models import Account
from billing.plans.tariffs import TariffBook
from calls.charging import Result, try_calls
from calls.imports.batches import Batch
from calls.imports.summaries import Trial
from calls.sources.registry import reporter_of


def try_batch(batch: Batch, trial: Trial, *, book: TariffBook, now: datetime, revise: bool) -> None:
    """Count in ``trial`` what would become of the batch. ``book`` tells what is history."""
    outcomes = try_calls(
        records=batch.records,
        now=now,
        reporter=reporter_of(batch.source),
        are_legs=batch.source.tells_legs,
        revise=revise,
    )
    trial.summary = batch.count(outcomes, trial.summary)
    trial.equal_rows += batch.equal_rows
    for line in batch.rejected:
        trial.reject(line=line.line, field=line.field, reason=line.reason)
    for outcome, read in zip(outcomes, batch.read_calls, strict=True):
        if outcome.result is Result.REJECTED:
            continue
        record = read.record
        trial.started(record.started_at)
        if read.agrees is not None:
            trial.agreeing += read.agrees
            trial.disagreeing += not read.agrees
        trial.history += book.is_history(record.account_id, record.started_at)
        if record.connected_at is not None and record.ended_at is not None:
            seconds = (record.ended_at - record.started_at).total_seconds()
            if seconds > trial.longest_seconds:
                trial.longest_seconds, trial.longest_call_id = seconds, record.call_id


def end_trial(trial: Trial, *, account: Account) -> None:
    """Note what the account would have now, if all were recorded."""
    trial.balance_after = balance_of(account).credits - trial.summary.credits
