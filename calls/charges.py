"""The charge of a call: which tariff rates it, and what is posted for it.

`calls.charging` and `calls.reconciling` decide which record of a call counts; what that costs, and
how the ledger says it, is decided here.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from functools import cached_property

from billing.bulk import among
from billing.ledger import Posting, references
from billing.models import Account, Kind
from billing.plans.tariffs import ClosedError, NoTariffError, TariffBook
from billing.zones import local
from calls.changes import changes_between
from calls.rated import RatedCall, rated
from calls.records import CallRecord, Rejected, without_numbers
from calls.stored import StoredCall


class Charges:
    """Rates the calls of some accounts."""

    def __init__(self, account_ids: Collection[int]) -> None:
        self._account_ids = account_ids
        self._book = TariffBook(account_ids)

    @cached_property
    def _existing_account_ids(self) -> set[int]:
        account_ids = among(self._account_ids)
        return set(Account.objects.filter(pk__in=account_ids).values_list("pk", flat=True))

    def rate(self, record: CallRecord) -> RatedCall:
        """Rate ``record`` by the tariff in force when it started. Raises Rejected."""
        try:
            price = self._book.price_at(record.account_id, record.started_at)
        except ClosedError as error:
            raise Rejected(
                "account",
                f"was closed on {local(error.closed_at, UTC)}, before the call started: such calls "
                "are not charged. Ask the people who look after it to reopen it.",
            ) from None
        except NoTariffError as error:
            if record.account_id not in self._existing_account_ids:
                raise Rejected("account", "does not exist.") from None
            raise Rejected(
                "account", f"can't be charged: {error}. Put it on a plan, then try again."
            ) from None
        return rated(record, price.plan_name, price.tariff, is_history=price.is_history)

    def again(
        self, call: StoredCall, record: CallRecord, import_id: int | None
    ) -> tuple[StoredCall, Posting]:
        """A ``call`` that was withdrawn, as ``record`` brings it again. Raises Rejected."""
        if call.record.numbers_deleted:
            record = without_numbers(record)
        again = call._replace(rated=self.rate(record), withdrawn_at=None, import_id=import_id)
        number = call.times_withdrawn + 1
        posting = charge_posting(again.rated, import_id)
        reference = references.of_call_again(call.record.call_id, number)
        return again, posting._replace(reference=reference)

    def corrected(
        self, call: StoredCall, record: CallRecord, import_id: int | None, *, now: datetime
    ) -> tuple[StoredCall, Posting | None]:
        """``call`` as ``record`` has it at ``now``, and the difference; None where no fact differs.

        Raises Rejected.
        """
        known = call.record
        if record.facts == known.facts:
            is_retold = (record.carrier_id, record.revised_at) != (
                known.carrier_id,
                known.revised_at,
            )
            same = call._replace(rated=call.rated._replace(record=record), import_id=import_id)
            return (same._replace(retold_at=now) if is_retold else same), None
        corrected = call._replace(
            corrections=call.corrections + 1,
            rated=self._rate_again(call.rated, record),
            import_id=import_id,
        )
        return corrected, _correction_posting(call, corrected)

    def _rate_again(self, frozen: RatedCall, record: CallRecord) -> RatedCall:
        """By the frozen tariff. A call that started at another time is priced anew, and so is one
        that is history no longer, or has become it."""
        is_history = self._book.is_history(record.account_id, record.started_at)
        if record.started_at != frozen.record.started_at or is_history != frozen.is_history:
            return self.rate(record)
        return rated(record, frozen.plan_name, frozen.tariff, is_history=is_history)


def charge_posting(call: RatedCall, import_id: int | None) -> Posting:
    """What the first charge of ``call`` posts."""
    record, charge = call.record, call.charge
    return Posting(
        account_id=record.account_id,
        kind=Kind.CALL,
        credits=-charge.credits,
        reference=references.of_call(record.call_id),
        occurred_at=record.started_at,
        remarks=record.remarks,
        call_id=record.call_id,
        usage_type=record.usage_type,
        agent=record.agent,
        billed_seconds=charge.billed_seconds,
        billable_us=charge.billable_us,
        increment_seconds=call.tariff.increment_seconds,
        call_status=record.status,
        import_id=import_id,
    )


def _correction_posting(before: StoredCall, after: StoredCall) -> Posting:
    """The difference to ``before``, with the facts of the corrected call, at its time."""
    known, corrected = before.rated.charge, after.rated.charge
    return charge_posting(after.rated, after.import_id)._replace(
        kind=Kind.CORRECTION,
        credits=known.credits - corrected.credits,
        reference=references.of_correction(after.record.call_id, after.corrections),
        billed_seconds=corrected.billed_seconds - known.billed_seconds,
        changes=changes_between(before.rated, after.rated),
    )
