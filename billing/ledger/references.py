"""References: what names each entry of the ledger, unique within its account.

This is the only place that writes or reads their text. A reference names the cause of an entry, so
that booking the same cause again posts nothing. Functions whose name ends in ``_sql`` take SQL
expressions and return one, without placeholders and without ``%``.
"""

import re
from typing import NamedTuple

CALL = "call:"
CALL_AGAIN = "call-again:"
CORRECTION = "correction:"
WITHDRAWAL = "withdrawal:"
TOP_UP = "top-up:"
REFUND = "refund:"
EXPIRY = "expiry:"
TAKEN_BACK = "expiry-taken-back:"
PLAN_CREDITS = "plan-credits:"
ADJUSTMENT = "adjustment:"

PREFIXES = (
    CALL,
    CALL_AGAIN,
    CORRECTION,
    WITHDRAWAL,
    TOP_UP,
    REFUND,
    EXPIRY,
    TAKEN_BACK,
    PLAN_CREDITS,
    ADJUSTMENT,
)

# How the reference of the withdrawal of a charge begins, whichever of its call's charges it is.
OF_WITHDRAWN_CHARGES = (WITHDRAWAL + CALL, WITHDRAWAL + CALL_AGAIN)

_OF_CYCLE = re.compile(rf"{PLAN_CREDITS}(?P<subscription>\d{{1,18}}):(?P<cycle>-?\d{{1,18}})")


class CycleNamed(NamedTuple):
    """A billing cycle as the reference of its plan credits names it."""

    subscription_id: int
    number: int


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────
def of_call(call_id: str) -> str:
    """The charge of a call."""
    return CALL + call_id


def of_call_again(call_id: str, number: int) -> str:
    """The ``number``-th charge of a call, counted from 1: its ID came again after a withdrawal."""
    return of_call(call_id) if number == 1 else f"{CALL_AGAIN}{number}:{call_id}"


def of_correction(call_id: str, number: int) -> str:
    """The correction of a call that is its ``number``-th, counted from 1."""
    return f"{CORRECTION}{number}:{call_id}"


def of_withdrawal(undone: str) -> str:
    """The opposite of the entry whose reference is ``undone``, which nothing undoes twice."""
    return WITHDRAWAL + undone


def is_of_withdrawn_charge(reference: str) -> bool:
    """Whether a reference is that of the withdrawal of a charge, and not of a correction."""
    return reference.startswith(OF_WITHDRAWN_CHARGES)


def of_call_sql(call_id: str) -> str:
    """`of_call` in SQL."""
    return f"('{CALL}' || {call_id})"


def of_correction_sql(call_id: str, number: str) -> str:
    """`of_correction` in SQL."""
    return f"('{CORRECTION}' || {number} || ':' || {call_id})"


def of_call_again_sql(call_id: str, number: str) -> str:
    """`of_call_again` in SQL, for numbers above 1."""
    return f"('{CALL_AGAIN}' || {number} || ':' || {call_id})"


def of_withdrawal_sql(undone: str) -> str:
    """`of_withdrawal` in SQL."""
    return f"('{WITHDRAWAL}' || {undone})"


def undone_by_sql(reference: str) -> str:
    """The reference that the reference of a withdrawal contains, in SQL."""
    return f"substr({reference}, {len(WITHDRAWAL) + 1})"


def is_of_withdrawn_charge_sql(reference: str) -> str:
    """`is_of_withdrawn_charge` in SQL."""
    return "({})".format(
        " OR ".join(f"starts_with({reference}, '{one}')" for one in OF_WITHDRAWN_CHARGES)
    )


def is_call_again_sql(reference: str) -> str:
    """Whether a reference is that of a charge after the first, in SQL."""
    return f"starts_with({reference}, '{CALL_AGAIN}')"


def call_again_number_sql(reference: str) -> str:
    """The number that the reference of a charge after the first contains, as text in SQL."""
    return f"split_part({reference}, ':', 2)"


def correction_number_sql(reference: str) -> str:
    """The number that the reference of a correction contains, as text in SQL."""
    return f"split_part({reference}, ':', 2)"


# ── Top-ups and what their money does ─────────────────────────────────────────────────────────
def of_top_up(top_up_id: int | str) -> str:
    """The credits of a top-up."""
    return f"{TOP_UP}{top_up_id}"


def of_refund(top_up_id: int, number: int, gone_minor: int) -> str:
    """The ``number``-th movement that follows the money of a top-up, of which ``gone_minor`` is
    gone. It takes credits, or gives them back when the money returns."""
    return f"{of_refunds(top_up_id)}{number}-{gone_minor}"


def of_refunds(top_up_id: int) -> str:
    """How the references of all refunds of a top-up begin."""
    return f"{REFUND}{top_up_id}:"


def of_top_up_sql(top_up_id: str) -> str:
    """`of_top_up` in SQL."""
    return f"('{TOP_UP}' || {top_up_id})"


def is_refund_sql(reference: str) -> str:
    """Whether a reference is that of a refund, in SQL."""
    return f"starts_with({reference}, '{REFUND}')"


def refunded_top_up_id_sql(reference: str) -> str:
    """The id of the top-up that the reference of a refund contains, as text in SQL."""
    return f"split_part({reference}, ':', 2)"


# ── Plan credits, adjustments, expiries ───────────────────────────────────────────────────────
def of_plan_credits(subscription_id: int, cycle_number: int) -> str:
    """The plan credits of a billing cycle."""
    return f"{PLAN_CREDITS}{subscription_id}:{cycle_number}"


def cycle_in(reference: str) -> CycleNamed | None:
    """The cycle whose plan credits a reference names; None for any other."""
    named = _OF_CYCLE.fullmatch(reference)
    return CycleNamed(int(named["subscription"]), int(named["cycle"])) if named else None


def of_adjustment(key: str) -> str:
    """An operator's adjustment; ``key`` tells it from all others."""
    return ADJUSTMENT + key


def of_expiry(*, grant_seq: int, entry_seq: int) -> str:
    """The expiry of the grant that the entry ``grant_seq`` opened, booked as ``entry_seq``."""
    return f"{EXPIRY}{grant_seq}:{entry_seq}"


def of_expiry_taken_back(*, grant_seq: int, entry_seq: int) -> str:
    """What of an expiry is taken back, booked as ``entry_seq``: used before it expired."""
    return f"{TAKEN_BACK}{grant_seq}:{entry_seq}"
