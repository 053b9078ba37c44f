"""What must be true when everything has settled, read from the provider's books and ours."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median

from django.db.models import QuerySet, Sum

from billing.ledger import references
from billing.models import Kind, LedgerEntry, Payment, PaymentEvent, Review, TopUp, TopUpState
from billing.payments.gateways import PaymentStatus
from billing.payments.states import ROWS, standing_of
from dashboard.sandbox.models import SandboxCheckout
from tests.faults.buyers import Diary


def unsettled() -> str:
    """What is still on its way, in words; empty when nothing is."""
    waiting = {
        "events not processed": PaymentEvent.objects.filter(processed_at=None).count(),
        "late payments not made": SandboxCheckout.objects.exclude(pays_at=None)
        .filter(payment_id="", status=PaymentStatus.OPEN)
        .count(),
        "payments not credited": _with_books(PaymentStatus.PAID).filter(credited_at=None).count(),
        "declines not known": _with_books(PaymentStatus.FAILED).filter(status="open").count(),
        "refunds and disputes not known": sum(
            _taken(books) != _taken_by_ledger(books) for books in _paid_books()
        ),
    }
    return ", ".join(f"{count} {what}" for what, count in waiting.items() if count)


def ask_about_all(*, now: datetime) -> None:
    """Let the hours pass until every payment that is still watched is asked about again.

    A report that was lost on purpose is found by asking, at the latest 7 days later.
    """
    Payment.objects.exclude(next_check_at=None).update(next_check_at=now)


def violations(diary: Diary) -> Iterator[str]:
    """Everything that should not be."""
    credited = _times_credited()
    paid = set(_with_books(PaymentStatus.PAID).values_list("top_up", flat=True))
    for top_up in TopUp.objects.prefetch_related(*ROWS).order_by("pk"):
        times = credited.pop(references.of_top_up(top_up.pk), 0)
        payment = standing_of(top_up).payment
        is_credited = payment is not None and payment.credited_at is not None
        if top_up.pk in paid and times != 1:
            yield f"{top_up.receipt_number} was paid and is credited {times} times"
        if top_up.pk not in paid and times:
            yield f"{top_up.receipt_number} was not paid and is credited {times} times"
        if is_credited is not (times == 1):
            state = standing_of(top_up).state
            yield f"{top_up.receipt_number} is {state} and is credited {times} times"
    for review in Review.objects.select_related("payment__top_up"):
        yield f"{review.payment.top_up.receipt_number} is under review: {review.reason}"
    for reference in credited:
        yield f"the ledger has {reference}, which is no top-up"
    for books in _paid_books():
        if _taken(books) != _taken_by_ledger(books):
            yield (
                f"of the payment {books.payment_id} {_taken(books)} credits are to be taken, and "
                f"{_taken_by_ledger(books)} were"
            )
    added = _credits_by_account(_top_ups())
    owed = _credits_by_account(TopUp.objects.filter(pk__in=paid))
    for slug in sorted(added.keys() | owed.keys()):
        if added.get(slug) != owed.get(slug):
            yield f"{slug} paid for {owed.get(slug)} credits and got {added.get(slug)}"
    bought = Counter(TopUp.objects.values_list("account__slug", "credits"))
    for (slug, credits), times in bought.items():
        if times > 1:
            yield f"{slug} began {times} purchases of {credits} credits and meant one"
    books_of = dict(SandboxCheckout.objects.values_list("checkout_id", "status"))
    for checkout_id in diary.paid_at:
        if books_of.get(checkout_id) != PaymentStatus.PAID:
            said = books_of.get(checkout_id)
            yield f"the provider took a payment for {checkout_id} and says {said}"
    yield from diary.errors


def figures(diary: Diary) -> dict[str, str]:
    """What the README tells, in order."""
    states = Counter(standing_of(each).state for each in TopUp.objects.prefetch_related(*ROWS))
    credited = _times_credited()
    paid = [
        references.of_top_up(top_up)
        for top_up in _with_books(PaymentStatus.PAID).values_list("top_up", flat=True)
    ]
    seconds = sorted(_seconds_until_credited(diary))
    events = PaymentEvent.objects.count()
    processed = PaymentEvent.objects.exclude(processed_at=None).count()
    reversed_ = [books for books in _paid_books() if _taken(books)]
    return {
        "top-ups begun": str(TopUp.objects.count()),
        "paid at the provider": str(len(paid)),
        "credited exactly once": str(sum(credited[reference] == 1 for reference in paid)),
        "credited more than once": str(sum(times > 1 for times in credited.values())),
        "paid and not credited": str(sum(not credited[reference] for reference in paid)),
        "credited and not paid": str(len(set(credited) - set(paid))),
        "paid back or disputed / taken exactly": (
            f"{len(reversed_)} / {sum(_taken(b) == _taken_by_ledger(b) for b in reversed_)}"
        ),
        "declined, cancelled, left open": ", ".join(
            str(states[state])
            for state in (TopUpState.FAILED, TopUpState.CANCELLED, TopUpState.PENDING)
        ),
        "events stored / processed": f"{events} / {processed}",
        "seconds from payment to credits": (
            f"median {median(seconds):.1f}, longest {seconds[-1]:.1f}" if seconds else "none"
        ),
    }


# ── The provider's books ──────────────────────────────────────────────────────────────────────
def _with_books(status: PaymentStatus) -> QuerySet[Payment]:
    """The payments of which the provider's books say ``status``, found by our reference."""
    references = SandboxCheckout.objects.filter(status=status).values_list("reference", flat=True)
    return Payment.objects.filter(request_key__in=list(references))


def _paid_books() -> list[SandboxCheckout]:
    found = SandboxCheckout.objects.filter(status=PaymentStatus.PAID)
    return list(found.prefetch_related("refunds", "disputes"))


def _taken(books: SandboxCheckout) -> int:
    """How many credits the books say have to be taken back."""
    gone = sum(each.amount_minor for each in books.refunds.all() if each.status == "succeeded")
    for dispute in books.disputes.all():
        gone += dispute.amount_minor if dispute.status in ("open", "lost") else 0
        gone -= dispute.returned_minor if dispute.status == "lost" else 0
    gone = min(gone, books.amount_minor)
    top_up = TopUp.objects.get(payments__request_key=books.reference)
    return top_up.credits * gone // books.amount_minor


def _taken_by_ledger(books: SandboxCheckout) -> int:
    """How many the ledger has taken back, less what it gave back."""
    entries = LedgerEntry.objects.filter(top_up__payments__request_key=books.reference)
    moved = entries.filter(reference__startswith=references.REFUND)
    return -int(moved.aggregate(sum=Sum("credits", default=0))["sum"])


# ── Ours ──────────────────────────────────────────────────────────────────────────────────────
def _top_ups() -> QuerySet[LedgerEntry]:
    """The entries that add what was bought."""
    entries = LedgerEntry.objects.filter(kind=Kind.TOP_UP)
    return entries.exclude(reference__startswith=references.REFUND)


def _credits_by_account(rows: QuerySet) -> dict[str, int]:
    sums = rows.order_by().values("account__slug").annotate(sum=Sum("credits"))
    return dict(sums.values_list("account__slug", "sum"))


def _times_credited() -> Counter[str]:
    return Counter(_top_ups().values_list("reference", flat=True))


def _seconds_until_credited(diary: Diary) -> Iterator[float]:
    credited = Payment.objects.filter(credited_at__isnull=False)
    for checkout_id, credited_at in credited.values_list("checkout_id", "credited_at"):
        if checkout_id in diary.paid_at and credited_at is not None:
            taken = credited_at.astimezone(UTC) - diary.paid_at[checkout_id]
            yield max(0.0, taken.total_seconds())
