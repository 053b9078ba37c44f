"""What must always be true between the ledger and what moved it: no entry without its cause.

The same kind of functions as `billing.ledger.audit`, which proves the ledger by itself. Causes
are top-ups (`billing.payments.settling`) and billing cycles (`billing.plans.subscriptions`); an
adjustment's is its reason, which a constraint asks for. Nothing here writes or repairs.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest

from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Concat

from billing.ledger.audit import Breach, Invariant, breaches_of
from billing.models import (
    Account,
    CreditGrant,
    CustomTerms,
    Kind,
    LedgerEntry,
    PlanTerms,
    Subscription,
)
from billing.plans.subscriptions import credits_end_at
from billing.zones import is_known


def top_ups_have_their_purchase() -> Iterator[Breach]:
    """Each top-up of the ledger is a purchase that was credited, and the other way round."""
    return breaches_of(
        "purchases",
        """
        SELECT coalesce(entry.account_id, bought.account_id),
               coalesce(format('entry %s (%s)', entry.seq, entry.reference),
                        format('purchase %s', bought.id)),
               CASE WHEN entry.id IS NULL THEN 'was credited, but has no entry'
                    WHEN bought.id IS NULL THEN 'belongs to no purchase that was credited'
                    ELSE format('adds %s credits, %s were bought',
                                entry.credits, bought.credits) END
          FROM (SELECT * FROM billing_ledgerentry
                 WHERE kind = 'top_up' AND reference NOT LIKE 'refund:%') entry
          FULL JOIN (SELECT *, 'top-up:' || id AS reference FROM billing_topup
                      WHERE credited_at IS NOT NULL) bought
               ON bought.account_id = entry.account_id AND bought.reference = entry.reference
         WHERE entry.id IS NULL OR bought.id IS NULL OR entry.credits <> bought.credits
        """,
    )


def refunds_have_their_purchase() -> Iterator[Breach]:
    """What refunds and disputes took and gave back is of a purchase of the account: never more
    than it gave, nor less than nothing."""
    return breaches_of(
        "refunds",
        """
        SELECT entry.account_id, format('purchase %s', entry.purchase),
               CASE WHEN bought.id IS NULL THEN 'is named by a refund, and not of the account'
                    ELSE format('gave %s credits, its refunds took %s',
                                bought.credits, entry.taken) END
          FROM (SELECT account_id, split_part(reference, ':', 2) AS purchase,
                       -sum(credits) AS taken
                  FROM billing_ledgerentry
                 WHERE kind = 'refund' OR reference LIKE 'refund:%' GROUP BY 1, 2) entry
          LEFT JOIN billing_topup bought
                 ON bought.account_id = entry.account_id AND bought.id::text = entry.purchase
         WHERE bought.id IS NULL OR bought.credited_at IS NULL OR entry.taken > bought.credits
            OR entry.taken < 0
        """,
    )


def plan_credits_have_their_cycle() -> Iterator[Breach]:
    """Plan credits are those of a billing cycle of the account's subscription: granted at its
    start, as many as its terms ever gave, until its end or the next change of plan before."""
    subscriptions = _with_their_ends()
    given: dict[tuple[str, int], set[int | None]] = defaultdict(set)
    for plan_id, credits in PlanTerms.objects.values_list("plan_id", "credits_per_cycle"):
        given["plan", plan_id].add(credits)
    for one, credits in CustomTerms.objects.values_list("subscription_id", "credits_per_cycle"):
        given["subscription", one].add(credits)
    grants = CreditGrant.objects.filter(
        account_id=OuterRef("account_id"), reference=OuterRef("reference")
    )
    expiries = LedgerEntry.objects.filter(
        account_id=OuterRef("account_id"), reference=Concat(Value("expiry:"), OuterRef("reference"))
    )
    entries = LedgerEntry.objects.filter(kind=Kind.PLAN_CREDITS).select_related("account")
    entries = entries.annotate(
        expires_at=Subquery(grants.values("expires_at")),
        expired_at=Subquery(expiries.values("occurred_at")),
    )
    for entry in entries.order_by("account_id", "seq").iterator():
        _, subscription_id, number = [*entry.reference.split(":"), "", ""][:3]
        subscription, changes_at = subscriptions.get(
            (entry.account_id, subscription_id), (None, None)
        )
        if subscription is None:
            said = "belongs to no subscription of the account"
        elif not is_known(subscription.time_zone):
            said = f"is of a subscription in the unknown time zone “{subscription.time_zone}”"
        else:
            cycle = subscription.cycle_at(entry.occurred_at)
            terms = given["plan", subscription.plan_id] | given["subscription", subscription.pk]
            if (str(cycle.number), cycle.starts_at) != (number, entry.occurred_at):
                said = f"is not at the start of cycle {number} of its subscription"
            elif entry.credits not in terms:
                said = f"adds {entry.credits} credits, which no terms of its subscription give"
            elif entry.expires_at == (until := credits_end_at(cycle, changes_at=changes_at)):
                continue
            elif entry.expires_at == entry.expired_at == cycle.ends_at:
                continue  # the change was entered when they had expired: that happens once
            else:
                said = f"can be used until {entry.expires_at}, but ends at {until}"
        subject = f"entry {entry.seq} ({entry.reference})"
        yield Breach("plan credits", entry.account.slug, subject, said)


def subscriptions_know_what_they_granted() -> Iterator[Breach]:
    """A subscription notes that it has begun, and until when it has granted credits, as the ledger
    tells it: what it notes is not looked for again, so a wrong note would cost a cycle."""
    latest: dict[tuple[int, str], datetime] = {}
    entries = LedgerEntry.objects.filter(kind=Kind.PLAN_CREDITS)
    for account_id, reference, occurred_at in entries.order_by("occurred_at").values_list(
        "account_id", "reference", "occurred_at"
    ):
        latest[account_id, [*reference.split(":"), ""][1]] = occurred_at
    slugs = dict(Account.objects.values_list("pk", "slug"))
    for key, (subscription, ends_at) in _with_their_ends().items():
        noted = subscription.granted_until
        if key not in latest:
            said = "" if noted is None else f"notes credits until {noted}, but granted none"
        elif subscription.begun_at is None:
            said = "granted credits, but notes that it has not begun"
        elif not is_known(subscription.time_zone):
            continue
        else:
            cycle = subscription.cycle_at(latest[key])
            is_right = noted in (cycle.ends_at, ends_at or cycle.ends_at)
            said = "" if is_right else f"notes credits until {noted}, not {cycle.ends_at}"
        if said:
            subject = f"subscription {subscription.pk}"
            yield Breach("subscriptions", slugs[subscription.account_id], subject, said)


def _with_their_ends() -> dict[tuple[int, str], tuple[Subscription, datetime | None]]:
    """All subscriptions with the beginning of the one that follows, by account and id as text."""
    subscriptions = list(Subscription.objects.order_by("account_id", "effective_from"))
    return {
        (one.account_id, str(one.pk)): (
            one,
            following.effective_from
            if following is not None and following.account_id == one.account_id
            else None,
        )
        for one, following in zip_longest(subscriptions, subscriptions[1:])
    }


def no_grant_is_overdue() -> Iterator[Breach]:
    """What is left of a grant is live: nothing was booked after it should have expired."""
    return breaches_of(
        "overdue",
        """
        SELECT account_id, format('grant %s', reference),
               format('has %s credits left, but expired at %s, and the account''s last entry is '
                      'of %s', remaining, expires_at, posted_at)
          FROM billing_creditgrant
          JOIN (SELECT account_id, max(posted_at) AS posted_at
                  FROM billing_ledgerentry GROUP BY account_id) entries USING (account_id)
         WHERE is_open AND expires_at <= posted_at
        """,
    )


def bought_credits_last_as_long_as_promised() -> Iterator[Breach]:
    """What was bought is valid for 12 months on the account's calendar, give or take DST."""
    return breaches_of(
        "validity",
        """
        SELECT granted.account_id, format('grant %s', granted.reference),
               format('was paid at %s, but expires at %s', bought.paid_at, granted.expires_at)
          FROM billing_creditgrant granted
          JOIN billing_topup bought ON bought.account_id = granted.account_id
                                   AND 'top-up:' || bought.id = granted.reference
         WHERE granted.source = 'top_up'
           AND (granted.expires_at BETWEEN bought.paid_at + interval '12 months -1 days'
                                       AND bought.paid_at + interval '12 months 1 days'
               ) IS NOT TRUE
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    top_ups_have_their_purchase,
    refunds_have_their_purchase,
    plan_credits_have_their_cycle,
    subscriptions_know_what_they_granted,
    no_grant_is_overdue,
    bought_credits_last_as_long_as_promised,
)
