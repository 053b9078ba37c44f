"""What must be true when everything has settled, read from the provider's books and ours."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC
from statistics import median

from django.db.models import QuerySet, Sum

from billing.ledger import references
from billing.models import (
    Kind,
    LedgerEntry,
    PaymentEvent,
    SandboxCheckout,
    TopUp,
    TopUpState,
)
from billing.payments.gateways import PaymentStatus
from tests.faults.buyers import Diary


def unsettled() -> str:
    """What is still on its way, in words; empty when nothing is."""
    paid = _with_books(PaymentStatus.PAID)
    waiting = {
        "events not processed": PaymentEvent.objects.filter(processed_at=None).count(),
        "late payments not made": SandboxCheckout.objects.exclude(pays_at=None)
        .filter(payment_id="", status=PaymentStatus.OPEN)
        .count(),
        "payments not credited": paid.exclude(state=TopUpState.CREDITED).count(),
        "declines not known": _with_books(PaymentStatus.FAILED)
        .filter(state=TopUpState.PENDING)
        .count(),
    }
    return ", ".join(f"{count} {what}" for what, count in waiting.items() if count)


def violations(diary: Diary) -> Iterator[str]:
    """Everything that should not be."""
    credited = _times_credited()
    paid = set(_with_books(PaymentStatus.PAID).values_list("pk", flat=True))
    for top_up in TopUp.objects.order_by("pk"):
        times = credited.pop(references.of_top_up(top_up.pk), 0)
        if top_up.pk in paid and times != 1:
            yield f"{top_up.receipt_number} was paid and is credited {times} times"
        if top_up.pk not in paid and times:
            yield f"{top_up.receipt_number} was not paid and is credited {times} times"
        if (top_up.state == TopUpState.CREDITED) is not (times == 1):
            yield f"{top_up.receipt_number} is {top_up.state} and is credited {times} times"
        if top_up.parked_reason:
            yield f"{top_up.receipt_number} is parked: {top_up.parked_reason}"
    for reference in credited:
        yield f"the ledger has {reference}, which is no top-up"
    added = _credits_by_account(LedgerEntry.objects.filter(kind=Kind.TOP_UP))
    owed = _credits_by_account(_with_books(PaymentStatus.PAID))
    for slug in sorted(added.keys() | owed.keys()):
        if added.get(slug) != owed.get(slug):
            yield f"{slug} paid for {owed.get(slug)} credits and got {added.get(slug)}"
    bought = Counter(TopUp.objects.values_list("account__slug", "credits"))
    for (slug, credits), times in bought.items():
        if times > 1:
            yield f"{slug} began {times} purchases of {credits} credits and meant one"
    books = dict(SandboxCheckout.objects.values_list("checkout_id", "status"))
    for checkout_id in diary.paid_at:
        if books.get(checkout_id) != PaymentStatus.PAID:
            yield f"the provider took a payment for {checkout_id} and says {books.get(checkout_id)}"
    yield from diary.errors


def figures(diary: Diary) -> dict[str, str]:
    """What the README tells, in order."""
    states = Counter(TopUp.objects.values_list("state", flat=True))
    credited = _times_credited()
    paid = [references.of_top_up(top_up.pk) for top_up in _with_books(PaymentStatus.PAID)]
    seconds = sorted(_seconds_until_credited(diary))
    events = PaymentEvent.objects.count()
    processed = PaymentEvent.objects.exclude(processed_at=None).count()
    return {
        "top-ups begun": str(TopUp.objects.count()),
        "paid at the provider": str(len(paid)),
        "credited exactly once": str(sum(credited[reference] == 1 for reference in paid)),
        "credited more than once": str(sum(times > 1 for times in credited.values())),
        "paid and not credited": str(sum(not credited[reference] for reference in paid)),
        "credited and not paid": str(len(set(credited) - set(paid))),
        "declined, cancelled, left open": ", ".join(
            str(states[state])
            for state in (TopUpState.FAILED, TopUpState.CANCELLED, TopUpState.PENDING)
        ),
        "events stored / processed": f"{events} / {processed}",
        "seconds from payment to credits": (
            f"median {median(seconds):.1f}, longest {seconds[-1]:.1f}" if seconds else "none"
        ),
    }


def _with_books(status: PaymentStatus) -> QuerySet[TopUp]:
    """The top-ups of which the provider's books say ``status``, found by our reference."""
    references = SandboxCheckout.objects.filter(status=status).values_list("reference", flat=True)
    return TopUp.objects.filter(public_id__in=list(references))


def _credits_by_account(rows: QuerySet) -> dict[str, int]:
    sums = rows.order_by().values("account__slug").annotate(sum=Sum("credits"))
    return dict(sums.values_list("account__slug", "sum"))


def _times_credited() -> Counter[str]:
    entries = LedgerEntry.objects.filter(kind=Kind.TOP_UP)
    return Counter(entries.values_list("reference", flat=True))


def _seconds_until_credited(diary: Diary) -> Iterator[float]:
    credited = TopUp.objects.filter(credited_at__isnull=False)
    for checkout_id, credited_at in credited.values_list("checkout_id", "credited_at"):
        if checkout_id in diary.paid_at and credited_at is not None:
            taken = credited_at.astimezone(UTC) - diary.paid_at[checkout_id]
            yield max(0.0, taken.total_seconds())
