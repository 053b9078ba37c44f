"""Withdrawing one call that a program recorded. Rule: "How credits are consumed", 12."""

from datetime import datetime, timedelta

from api.problems import Problem, at_pointer
from billing.models import Account
from billing.texts import ReasonError
from calls import reporters
from calls.models import Call
from calls.usage.calls import call_named
from calls.withdrawing import withdraw_calls

WITHDRAWABLE_FOR = timedelta(days=30)
REASON_LENGTH_MAX = 500


def withdraw(*, account: Account, call_id: str, body: object, now: datetime) -> Call:
    """Withdraw the call for the reason in ``body``; one that is withdrawn already stays so.

    Raises Problem where there is no such call, the reason can't be read, or it is too late.
    """
    reason = body.get("reason") if isinstance(body, dict) else None
    if not isinstance(reason, str) or not reason.strip():
        raise at_pointer("/reason", "Say why: whoever looks at the call reads it.")
    if len(reason) > REASON_LENGTH_MAX:
        raise at_pointer("/reason", f"Use at most {REASON_LENGTH_MAX} characters.")
    assert isinstance(body, dict)
    for name in body:
        if name != "reason":
            raise at_pointer("", "Only the reason is taken here.")
    call = named(account, call_id)
    if call.withdrawn_at is not None:
        return call
    if call.import_id is not None:
        raise Problem(
            "conflict", "A file brought this call: take back the import, under Calls → Import."
        )
    if call.reporter != reporters.API:
        raise Problem(
            "conflict",
            "A program did not record this call: a source reports it. Only the people who look "
            "after your account can withdraw it.",
        )
    if now - call.recorded_at > WITHDRAWABLE_FOR:
        raise Problem(
            "conflict",
            "A call can be withdrawn within 30 days of its recording. After that only the people "
            "who look after your account can.",
        )
    try:
        withdraw_calls(account_id=account.pk, call_ids=[call_id], reason=reason, now=now)
    except ReasonError as error:
        raise at_pointer("/reason", error.message) from None
    return named(account, call_id)


def named(account: Account, call_id: str) -> Call:
    """The call of that ID. Raises Problem where there is none."""
    found = None if "\x00" in call_id else call_named(account=account, call_id=call_id)
    if found is None:
        raise Problem("not-found", "The account has no call with this ID.")
    return found
