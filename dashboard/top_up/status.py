"""What the page of one top-up says: which face it shows, and when it looks again by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from billing.models import Account, Kind, TopUp, TopUpState
from billing.payments.credits import valid_until
from billing.payments.states import Standing
from dashboard.top_up.on_sale import on_sale, same_again

RETURNED = "1"
RETURNED_UNPAID = "cancelled"

# A payment that is confirmed at once is confirmed by then; whoever waits longer is told so.
QUICK_FOR = timedelta(seconds=30)
SLOW_FOR = timedelta(minutes=5)
# A page that waits has the provider asked this often, unless it has just answered somebody else.
ASKS_EVERY = timedelta(seconds=4)
ANSWER_VALID_FOR = timedelta(seconds=3)


class Face(StrEnum):
    """What a page of a top-up can look like."""

    CONFIRMING = "confirming"
    WAITING = "waiting"
    LEFT = "left"
    UNOPENED = "unopened"
    PROCESSING = "processing"
    CHECKING = "checking"
    CREDITED = "credited"
    DISPUTED = "disputed"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    CLOSED = "closed"


_FACES = {
    TopUpState.UNOPENED: Face.UNOPENED,
    TopUpState.PROCESSING: Face.PROCESSING,
    TopUpState.CHECKING: Face.CHECKING,
    TopUpState.PAID: Face.CONFIRMING,
    TopUpState.CREDITED: Face.CREDITED,
    TopUpState.PARTLY_REFUNDED: Face.CREDITED,
    TopUpState.DISPUTED: Face.DISPUTED,
    TopUpState.REFUNDED: Face.REFUNDED,
    TopUpState.FAILED: Face.DECLINED,
    TopUpState.CANCELLED: Face.CANCELLED,
    TopUpState.EXPIRED: Face.EXPIRED,
    TopUpState.CLOSED: Face.CLOSED,
}
_TRY_AGAIN = {Face.UNOPENED, Face.DECLINED, Face.CANCELLED, Face.EXPIRED}
_HAS_CREDITS = {Face.CREDITED, Face.DISPUTED, Face.REFUNDED}


@dataclass(frozen=True, slots=True)
class StatusPage:
    """One top-up as its page shows it.

    ``look_again_seconds`` is 0 where nothing is expected to change; ``look_again_url`` answers
    with nothing while there is nothing new. ``takes_long``: it has been asked for a while.
    ``asks_provider``: its last answer is from before the person came back, or gets old.
    """

    standing: Standing
    face: Face
    asks_provider: bool
    look_again_seconds: int
    look_again_url: str
    takes_long: bool
    valid_until: datetime | None
    try_again_url: str
    log_url: str


def face_of(*, standing: Standing, returned: str) -> Face:
    """What the page of a top-up looks like; ``returned`` is how the person came back from the
    provider: `RETURNED`, `RETURNED_UNPAID`, or empty when they did not."""
    waiting = {RETURNED: Face.CONFIRMING, RETURNED_UNPAID: Face.LEFT}.get(returned, Face.WAITING)
    return _FACES.get(standing.state, waiting)


def status_page(
    *, account: Account, standing: Standing, query: QueryDict, now: datetime
) -> StatusPage:
    """The page of a top-up; at most four queries."""
    face = face_of(standing=standing, returned=query.get("returned", ""))
    since = _since(query, now)
    seconds = _look_again_seconds(face, now - since)
    address = reverse("dashboard:top_up_status", args=[account.slug, standing.top_up.public_id])
    again = {
        "returned": query.get("returned", ""),
        "since": int(since.timestamp()),
        "shown": shown(face, seconds),
    }
    paid_at = standing.payment.paid_at if standing.payment is not None else None
    has_credits = face in _HAS_CREDITS and paid_at is not None
    return StatusPage(
        standing=standing,
        face=face,
        asks_provider=(
            _is_answer_old(standing, face, since=since, now=now)
            and (not query.get("since") or _is_turn_to_ask(now - since, seconds))
        ),
        look_again_seconds=seconds,
        look_again_url=f"{address}?{urlencode(again)}" if seconds else "",
        takes_long=face is Face.CONFIRMING and now - since >= QUICK_FOR,
        valid_until=valid_until(standing.top_up) if has_credits else None,
        try_again_url=_try_again_url(account, standing.top_up) if face in _TRY_AGAIN else "",
        log_url=_log_url(account, paid_at) if has_credits and paid_at else "",
    )


def shown(face: Face, seconds: int) -> str:
    """What a page that looks again has on it, so that it is only exchanged for something else."""
    return f"{face}-{seconds}"


def _since(query: QueryDict, now: datetime) -> datetime:
    """Since when the page has been open, as it says itself; a page just opened says nothing."""
    text = query.get("since", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        return now
    return min(datetime.fromtimestamp(int(text), tz=now.tzinfo), now)


def _is_answer_old(standing: Standing, face: Face, *, since: datetime, now: datetime) -> bool:
    """Whether the provider has more to say about a payment that the person says they have made.

    Its own report may be lost: then its answer is waited for, not the next round of the sweeper.
    """
    if face is not Face.CONFIRMING or standing.state != TopUpState.PENDING:
        return False
    answered_at = standing.payment.checked_at if standing.payment is not None else None
    return answered_at is None or answered_at < max(since, now - ANSWER_VALID_FOR)


def _is_turn_to_ask(open_for: timedelta, seconds: int) -> bool:
    """Whether a page that looks again every so many ``seconds`` asks this time: at most once every
    `ASKS_EVERY`, however long the answer takes."""
    before = open_for - timedelta(seconds=seconds)
    return open_for // ASKS_EVERY != before // ASKS_EVERY


def _look_again_seconds(face: Face, open_for: timedelta) -> int:
    match face:
        case Face.CONFIRMING:
            return 1 if open_for < QUICK_FOR else 5 if open_for < SLOW_FOR else 30
        case Face.WAITING | Face.LEFT:
            return 5 if open_for < SLOW_FOR else 30
        case Face.PROCESSING:
            return 5 if open_for < QUICK_FOR else 30
        case Face.CHECKING:
            return 30
    return 0


def _try_again_url(account: Account, top_up: TopUp) -> str:
    query = urlencode(same_again(top_up=top_up, sale=on_sale(account)))
    return f"{reverse('dashboard:top_up', args=[account.slug])}?{query}"


def _log_url(account: Account, paid_at: datetime) -> str:
    """The log of the day on which the credits came, of top-ups only."""
    day = paid_at.astimezone(account.zone).date().isoformat()
    query = urlencode({"from": day, "to": day, "kind": Kind.TOP_UP.value})
    return f"{reverse('dashboard:usage', args=[account.slug])}?{query}#log"
