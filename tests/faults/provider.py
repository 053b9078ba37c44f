"""The sandbox provider at its worst: repeats, old news after new, and somebody who forges it.

Runs beside the faults. It only ever tells the truth of some moment, except where it forges.
"""

import random
import secrets
from collections import deque
from datetime import UTC, datetime, timedelta

import requests
from django.conf import settings
from django.db import Error, close_old_connections

from billing.payments.gateways import PaymentStatus
from billing.payments.gateways.signatures import sign
from dashboard.sandbox import gateway
from dashboard.sandbox.models import SandboxCheckout
from tests.faults.buyers import Diary

REMEMBERED = 50


class UnrulyProvider:
    """Sends events about random checkouts to the real webhook address."""

    def __init__(self, *, site: str, diary: Diary, chance: random.Random) -> None:
        self._address = f"{site}/webhooks/sandbox/"
        self._diary = diary
        self._chance = chance
        self._sent: deque[bytes] = deque(maxlen=REMEMBERED)

    def report(self) -> None:
        """Send one event: new, an old one again, older news, or a forged or stale one."""
        close_old_connections()
        try:
            checkout = SandboxCheckout.objects.order_by("?").first()
        except Error:  # the database is down: a provider's own would not be
            return
        if checkout is None:
            return
        kind = self._chance.choice(["now", "now", "again", "again", "older", "forged", "stale"])
        if kind == "again" and self._sent:
            self._post(kind, self._chance.choice(self._sent))
            return
        secret, at = settings.SANDBOX_WEBHOOK_SECRET, datetime.now(UTC)
        if kind == "older":
            checkout.status, checkout.payment_id = PaymentStatus.OPEN, ""
        if kind == "forged":
            checkout.status, checkout.payment_id = PaymentStatus.PAID, f"forged_{checkout.pk}"
            secret = "guessed"
        if kind == "stale":
            at -= timedelta(minutes=6)
        body = gateway.event_body(about=checkout, event_id=f"event_{secrets.token_urlsafe(9)}")
        if kind in ("now", "older"):
            self._sent.append(body)
        self._post(kind, body, secret=secret, at=at)

    def _post(
        self, kind: str, body: bytes, *, secret: str = "", at: datetime | None = None
    ) -> None:
        signature = sign(
            body=body,
            secret=secret or settings.SANDBOX_WEBHOOK_SECRET,
            at=at or datetime.now(UTC),
        )
        try:
            answer = requests.post(
                self._address,
                data=body,
                headers={
                    gateway.SIGNATURE_HEADER: signature,
                    "Content-Type": "application/json",
                },
                timeout=15,
            )
        except requests.RequestException:
            self._diary.count("webhooks without an answer")
            return
        self._diary.count(f"webhooks answered {answer.status_code}")
        if kind in ("forged", "stale") and answer.status_code < 400:
            self._diary.errors.append(f"a {kind} webhook was believed")
