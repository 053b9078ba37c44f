"""How often somebody may be wrong about a password or a code, and how long they wait then.

So are mails limited that one person has sent to another: links, and invitations to an account.

Failures are counted by visitor and person together, so that nobody locks out anybody else, and
more generously by visitor alone. They are kept in the database: a limit holds whatever is away.

| failures in a row | wait after the last one |
|---|---|
| fewer than are free | none |
| as many as are free | 30 s |
| each further one | twice as long, at most an hour |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.crypto import salted_hmac

from billing.models import SignInAttempts, UsedCode, User
from billing.refusals import Refusal

FIRST_WAIT_SECONDS = 30
WAIT_SECONDS_MAX = 60 * 60
FORGOTTEN_AFTER = timedelta(days=1)
FREE_FOR_A_PERSON = 5  # by one visitor
FREE_FOR_A_VISITOR = 100  # for all persons together: a whole office may be one visitor
FREE_CODES_OF_A_PERSON = 50  # by all visitors together: who tries codes knows the password
FREE_LINKS = 3  # by one visitor to one address
FREE_LINKS_OF_A_VISITOR = 20
FREE_LINKS_OF_A_PERSON = 10  # asked for by all visitors together: each is a mail
FREE_INVITATIONS = 3  # by one account to one address
FREE_INVITATIONS_OF_AN_ACCOUNT = 50
FREE_INVITATIONS_OF_A_PERSON = 10  # to one address, by all accounts together
CODE_LIVES = timedelta(minutes=2)
IPV6_NETWORK_BITS = 64  # one customer of a provider has at least that many addresses


class TooManyAttempts(Refusal):
    """Too many of ``what``, in the plural: nothing is tried before the wait is over."""

    def __init__(self, *, what: str, wait_seconds: int) -> None:
        super().__init__(f"Too many {what} from here. Wait {_in_words(wait_seconds)}.")
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Counter:
    """One row to count in. ``forgiven``: whether one success makes all of its failures good."""

    visitor: str
    target: str
    free: int
    forgiven: bool = True


def password_counters(*, visitor: str, address: str) -> list[Counter]:
    """What a try of a password for ``address`` counts in."""
    return [
        Counter(visitor_of(visitor), digest("address", address.strip().lower()), FREE_FOR_A_PERSON),
        Counter(visitor_of(visitor), "", FREE_FOR_A_VISITOR, forgiven=False),
    ]


def code_counters(*, visitor: str, user: User) -> list[Counter]:
    """What a try of a code of the second step of ``user`` counts in."""
    target = digest("code", str(user.pk))
    return [
        Counter(visitor_of(visitor), target, FREE_FOR_A_PERSON),
        Counter(visitor_of(visitor), "", FREE_FOR_A_VISITOR, forgiven=False),
        Counter("", target, FREE_CODES_OF_A_PERSON),
    ]


def link_counters(*, visitor: str, address: str) -> list[Counter]:
    """What asking for a link to a new password for ``address`` counts in; it never succeeds."""
    target = digest("link", address.strip().lower())
    return [
        Counter(visitor_of(visitor), target, FREE_LINKS),
        Counter(visitor_of(visitor), digest("link", ""), FREE_LINKS_OF_A_VISITOR),
        Counter("", target, FREE_LINKS_OF_A_PERSON),
    ]


def invitation_counters(*, account_id: int, address: str) -> list[Counter]:
    """What a mail that invites ``address`` to an account counts in; it never succeeds."""
    account, target = f"account {account_id}", digest("invitation", address.strip().lower())
    return [
        Counter(account, target, FREE_INVITATIONS),
        Counter(account, digest("invitation", ""), FREE_INVITATIONS_OF_AN_ACCOUNT),
        Counter("", target, FREE_INVITATIONS_OF_A_PERSON),
    ]


def begin_attempt(*, counters: Sequence[Counter], what: str, now: datetime) -> None:
    """Count an attempt as failed before it is made, so that many at once are not let through.

    ``what`` is for the reader: "wrong passwords". Call `succeed` if it turns out right. Raises
    TooManyAttempts, and counts nothing, while one of ``counters`` has to wait.
    """
    _refuse_while_blocked(_rows(counters), what=what, now=now)
    with transaction.atomic():
        SignInAttempts.objects.bulk_create(
            [
                SignInAttempts(visitor=one.visitor, target=one.target, last_failed_at=now)
                for one in sorted(counters, key=_key)
            ],
            ignore_conflicts=True,
        )
        rows = _rows(counters, lock=True)
        _refuse_while_blocked(rows, what=what, now=now)
        free = {_key(one): one.free for one in counters}
        for row in rows:
            if row.last_failed_at < now - FORGOTTEN_AFTER:
                row.failures = 0
            row.failures += 1
            row.last_failed_at = now
            row.blocked_until = _blocked_until(row.failures - free[_key(row)], now)
        SignInAttempts.objects.bulk_update(rows, ["failures", "last_failed_at", "blocked_until"])


def succeed(*, counters: Sequence[Counter]) -> None:
    """Take back what `begin_attempt` counted, and forgive earlier failures of the same person."""
    forgiven = [one for one in counters if one.forgiven]
    _matching(forgiven).delete()
    rest = [one for one in counters if not one.forgiven]
    _matching(rest).filter(failures__gt=0).update(failures=F("failures") - 1, blocked_until=None)


def forgive_address(*, address: str) -> None:
    """Forget all failures for ``address``: it has a new password."""
    target = digest("address", address.strip().lower())
    SignInAttempts.objects.filter(target=target).delete()


def use_code(*, user: User, code: str, now: datetime) -> bool:
    """Note that ``code`` is used; return False where it has been used while it is valid."""
    own = {"user": user, "digest": digest("used code", f"{user.pk}:{code}")}
    UsedCode.objects.filter(**own, used_at__lt=now - CODE_LIVES).delete()
    try:
        with transaction.atomic():
            UsedCode.objects.create(**own, used_at=now)
    except IntegrityError:
        return False
    return True


def clear_attempts(*, now: datetime) -> None:
    """Delete the rows that no longer limit anything."""
    SignInAttempts.objects.filter(last_failed_at__lt=now - FORGOTTEN_AFTER).delete()
    UsedCode.objects.filter(used_at__lt=now - CODE_LIVES).delete()


def visitor_of(address: str) -> str:
    """Return who is counted as one visitor: an IPv4 address, or an IPv6 network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:45]
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> IPV6_NETWORK_BITS << IPV6_NETWORK_BITS))
    return address


def digest(kind: str, text: str) -> str:
    """Return what stands for ``text``: people type passwords where an address belongs."""
    return salted_hmac(f"sign-in {kind}", text, algorithm="sha256").hexdigest()


def _key(one: Counter | SignInAttempts) -> tuple[str, str]:
    return (one.visitor, one.target)


def _matching(counters: Sequence[Counter]) -> QuerySet[SignInAttempts]:
    either = Q(pk__in=[])
    for one in counters:
        either |= Q(visitor=one.visitor, target=one.target)
    return SignInAttempts.objects.filter(either)


def _rows(counters: Sequence[Counter], *, lock: bool = False) -> list[SignInAttempts]:
    """The rows of ``counters`` that there are; locked, in one order for all."""
    found = _matching(counters).order_by("visitor", "target")
    return list(found.select_for_update() if lock else found)


def _refuse_while_blocked(rows: Sequence[SignInAttempts], *, what: str, now: datetime) -> None:
    until = max((row.blocked_until for row in rows if row.blocked_until), default=now)
    if until > now:
        seconds = -(-(until - now) // timedelta(seconds=1))  # rounded up
        raise TooManyAttempts(what=what, wait_seconds=seconds)


def _blocked_until(failures_too_many: int, now: datetime) -> datetime | None:
    if failures_too_many < 0:
        return None
    doublings = min(failures_too_many, WAIT_SECONDS_MAX.bit_length())
    return now + timedelta(seconds=min(FIRST_WAIT_SECONDS << doublings, WAIT_SECONDS_MAX))


def _in_words(seconds: int) -> str:
    if seconds < 2 * 60:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes"
