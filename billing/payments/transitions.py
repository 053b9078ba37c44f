"""The states of a top-up: what may follow what.

Money that arrives after a top-up seemed over is still money, and money that was paid back can
return: a dispute is won after all, or the refund does not reach the customer.
"""

from datetime import datetime

from billing.models import TopUp, TopUpState

S = TopUpState

# States in which something of the provider is still to come.
AWAITED = (S.PENDING, S.PROCESSING)
CLOSED = (S.FAILED, S.CANCELLED, S.EXPIRED)

TRANSITIONS: dict[TopUpState, frozenset[TopUpState]] = {
    S.PENDING: frozenset({S.PROCESSING, S.PAID, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.PROCESSING: frozenset({S.PAID, S.FAILED, S.CANCELLED, S.EXPIRED}),
    S.FAILED: frozenset({S.PAID}),
    S.CANCELLED: frozenset({S.PAID}),
    S.EXPIRED: frozenset({S.PAID}),
    S.PAID: frozenset({S.CREDITED, S.REFUNDED}),
    S.CREDITED: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset({S.PAID, S.CREDITED}),
}


class IllegalTransitionError(RuntimeError):
    """Code tried to move a top-up to a state that can't follow its own."""


def can_become(top_up: TopUp, state: TopUpState) -> bool:
    """Whether ``state`` may follow that of ``top_up``."""
    return state in TRANSITIONS[S(top_up.state)]


def move(top_up: TopUp, state: TopUpState, now: datetime) -> None:
    """Set the state and, the first time, its time (not saved). Raises IllegalTransitionError."""
    if not can_become(top_up, state):
        raise IllegalTransitionError(
            f"{top_up.receipt_number}: {top_up.state} can't become {state}"
        )
    top_up.state = state
    if getattr(top_up, f"{state.value}_at") is None:
        setattr(top_up, f"{state.value}_at", now)
