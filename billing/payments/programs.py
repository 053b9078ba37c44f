"""Top-ups that a program begins: one for each key that it made up, whatever became of it.

A person who tries again after a payment was declined means a new top-up; a program that sends the
same request again has not heard the answer, and gets the one it began.
"""

from datetime import datetime
from hashlib import sha256

from django.db import transaction

from billing.models import Account, TopUp, TopUpState
from billing.payments import buying
from billing.payments.pricing import quote
from billing.payments.states import ROWS, standing_of
from billing.plans.closed import hold_open
from billing.refusals import Refusal


class KeyReusedError(Refusal):
    """The key was used for another number of credits."""


def begin_top_up(
    *,
    account: Account,
    credits: int,
    idempotency_key: str,
    email: str,
    return_url: str,
    now: datetime,
) -> TopUp:
    """Begin to buy ``credits``, and open the provider's page; once for each ``idempotency_key``.

    Asking again with the same key goes on with what was begun, as long as it is not paid or over.
    Raises KeyReusedError for another number of credits, TopUpError where they are not on sale,
    GatewayError where the provider opens no page, AccountClosedError. ``return_url`` is as in
    `buying.start`.
    """
    form_key = f"api-{sha256(idempotency_key.encode()).hexdigest()[:24]}"
    with transaction.atomic():
        # Two requests at once with one key: the second waits here, and finds what the first began.
        hold_open(account.pk)
        begun = (
            TopUp.objects.filter(account=account, idempotency_key__startswith=f"{form_key}.")
            .prefetch_related(*ROWS)
            .first()
        )
        if begun is not None:
            if begun.credits != credits:
                raise KeyReusedError(
                    f"This key was used for {begun.credits:,} credits. Use a new one for another "
                    "top-up.",
                    field="Idempotency-Key",
                )
            if standing_of(begun).state != TopUpState.UNOPENED:
                return begun
        payment = buying.begin(
            account=account,
            user_id=None,
            email=email,
            quoted=quote(account=account, credits=credits),
            form_key=form_key,
            return_url=return_url,
            now=now,
        )
    payment = buying.go_on(payment, now=now)
    return TopUp.objects.prefetch_related(*ROWS).get(pk=payment.top_up_id)
