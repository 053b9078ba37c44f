"""Test events: sent by the product to itself, as the platform would, and never recorded."""

import secrets
from datetime import datetime

from django.utils.datastructures import CaseInsensitiveMapping

from billing.refusals import Refusal
from billing.texts import in_a_sentence
from calls.inbox.receiving import receive
from calls.inbox.sources import platform_of, secret_of
from calls.models import CallSource, Via
from calls.platforms import Delivery, ForgedError, Signed


def sample_of(source: CallSource, *, url: str, now: datetime, call_id: str = "") -> Signed:
    """Return a message as ``source`` would send it to ``url``, signed. Raises Refusal."""
    secret = secret_of(source)
    if not secret:
        raise Refusal(f"Enter the {in_a_sentence(platform_of(source).secret.label)} first.")
    platform = platform_of(source)
    sample = platform.sample(
        call_id=call_id or f"test-{secrets.token_hex(8)}",
        secret=secret,
        url=url,
        options=source.options,
        now=now,
    )
    if sample is None:
        raise Refusal(f"Only {platform.label} can sign its messages: let it send one.")
    return sample


def send_test(*, source: CallSource, url: str, now: datetime) -> None:
    """Take a message of ``source`` the whole way but for recording it. Raises Refusal."""
    if source.paused_at is not None:
        raise Refusal("This source is paused: let it go on first.")
    sample = sample_of(source, url=url, now=now)
    delivery = Delivery(
        body=sample.body,
        headers=CaseInsensitiveMapping(dict(sample.headers)),
        url=url,
        content_type=sample.content_type,
    )
    try:
        receive(source=source, delivery=delivery, now=now, via=Via.TEST)
    except ForgedError as error:
        raise Refusal(f"The test was refused: {error}.") from None
