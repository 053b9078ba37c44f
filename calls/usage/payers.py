"""Which grants paid an entry or a call, as people read it: "2 from the top-up of 12 Nov, 1 from
plan credits". Rules: "How credits are consumed" 7 and 13.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from typing import NamedTuple, TypeAlias

from django.db import connection

from billing.bulk import arrays_of, read_rows
from billing.models import GrantSource

EntryKey: TypeAlias = tuple[int, int]  # account and number of the entry


class Paid(NamedTuple):
    """What one grant paid of the entry ``seq``; negative ``credits`` returned to it.

    Without a grant (``grant_seq``) nobody has paid them yet. ``paid_late_at``: when, where they
    were owed at first. ``into_new_grant``: the grant had ended when they returned.
    """

    account_id: int
    seq: int
    grant_seq: int | None
    source: str
    granted_at: datetime | None
    credits: int
    paid_late_at: datetime | None
    into_new_grant: bool


class _Asked(NamedTuple):
    account_id: int
    seq: int


def payments_of(keys: Collection[EntryKey]) -> list[Paid]:
    """Read who paid the entries with these ``keys``, in order of payment; one query, or none.

    What nobody has paid yet comes last.
    """
    if not keys:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH asked AS (
                SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS asked (account_id, seq)
            )
            SELECT account_id, seq, grant_seq, source, granted_at, credits, paid_late_at,
                   into_new_grant
              FROM (
                   SELECT asked.account_id, asked.seq, use.grant_seq, used.source, used.granted_at,
                          use.credits, paying.posted_at AS paid_late_at, use.into_new_grant,
                          use.seq AS paid_with, use.position
                     FROM asked
                     JOIN billing_grantuse use
                       ON use.account_id = asked.account_id AND use.use_seq = asked.seq
                     JOIN billing_creditgrant used
                       ON used.account_id = use.account_id AND used.seq = use.grant_seq
                     LEFT JOIN billing_ledgerentry paying
                       ON paying.account_id = use.account_id AND paying.seq = use.seq
                      AND use.seq <> use.use_seq
                    UNION ALL
                   SELECT asked.account_id, asked.seq, NULL, '', NULL, debt.credits, NULL, false,
                          NULL, NULL
                     FROM asked
                     JOIN billing_debt debt
                       ON debt.account_id = asked.account_id AND debt.seq = asked.seq
                   ) payment
             ORDER BY paid_with NULLS LAST, position
            """,
            arrays_of([_Asked(*key) for key in keys], "account_id", "seq"),
        )
        return read_rows(cursor, Paid)


def net(payments: Iterable[Paid]) -> list[Paid]:
    """Return what is left of the ``payments`` of a call once what was returned is taken off.

    ``payments`` are those of all its entries, in order of payment. A return undoes the latest
    payments of its grant.
    """
    left: list[Paid] = []
    for payment in payments:
        if payment.credits > 0:
            left.append(payment)
        else:
            _take_off(left, payment)
    return left


def _take_off(left: list[Paid], returned: Paid) -> None:
    missing = -returned.credits
    for position in reversed(range(len(left))):
        paid = left[position]
        if missing and paid.grant_seq == returned.grant_seq:
            part = min(missing, paid.credits)
            missing -= part
            left[position] = paid._replace(credits=paid.credits - part)
    left[:] = [paid for paid in left if paid.credits]


def in_words(payments: Sequence[Paid], *, year: int, zone: tzinfo) -> str:
    """Say who paid: "2 from the top-up of 12 Nov, 1 from plan credits, 3 not paid yet".

    Days are in ``zone``, those of another year than ``year`` with theirs. Empty without payments.
    """
    cycles = {payment.grant_seq for payment in payments if payment.source == GrantSource.PLAN}
    return ", ".join(
        _part(payment, is_of_one_cycle=len(cycles) == 1, year=year, zone=zone)
        for payment in _together(payments)
    )


def _together(payments: Iterable[Paid]) -> list[Paid]:
    """``payments`` of one grant at one time as one: a call and its correction are told together."""
    sums: dict[tuple[object, ...], Paid] = {}
    for payment in payments:
        is_return = payment.credits < 0
        key = (payment.account_id, payment.grant_seq, payment.paid_late_at, is_return)
        known = sums.get(key)
        sums[key] = payment._replace(credits=known.credits + payment.credits) if known else payment
    return list(sums.values())


def _part(payment: Paid, *, is_of_one_cycle: bool, year: int, zone: tzinfo) -> str:
    credits = f"{abs(payment.credits):,}"
    if payment.granted_at is None:
        return f"{credits} not paid yet"
    grant = _GRANTS[GrantSource(payment.source)]
    if not (is_of_one_cycle and payment.source == GrantSource.PLAN):
        grant += f" of {_day(payment.granted_at, year, zone)}"
    if payment.into_new_grant:
        return f"{credits} returned, which {grant} had paid"
    if payment.credits < 0:
        return f"{credits} returned to {grant}"
    if payment.paid_late_at is not None:
        return f"{credits} from {grant} (owed until {_day(payment.paid_late_at, year, zone)})"
    return f"{credits} from {grant}"


_GRANTS = {
    GrantSource.PLAN: "plan credits",
    GrantSource.TOP_UP: "the top-up",
    GrantSource.ADJUSTMENT: "the adjustment",
    GrantSource.RETURN: "returned credits",
}


def _day(at: datetime, year: int, zone: tzinfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%-d %b}" if local.year == year else f"{local:%-d %b %Y}"
