"""What the page of one source shows, all of it read before it is rendered."""

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.urls import reverse

from billing.models import Account
from billing.refusals import Refusal
from billing.texts import in_a_sentence
from calls.inbox import selectors
from calls.inbox.refused import Refused, refused_of
from calls.inbox.silence import is_silent
from calls.inbox.sources import is_pulled, platform_of, secret_of
from calls.inbox.testing import sample_of
from calls.models import CallSource, EventState, InboxEvent, PullState
from dashboard.sources.reach import address_of, is_private

LOOK_AGAIN_SECONDS: Final = 3
SAMPLE_ID: Final = "sample-"

# How a source stands: the look of its panel, and a word for a list.
WORDS: Final = {
    "paused": "Paused",
    "unfinished": "Not finished",
    "waiting": "Waiting",
    "refused": "Key refused",
    "silent": "Silent",
    "fine": "Working",
}
TAGS: Final = {
    "fine": "positive",
    "refused": "danger",
    "silent": "warning",
    "unfinished": "warning",
}


class Standing:
    """How a source stands at ``now``, for a list or its page."""

    def __init__(
        self, source: CallSource, *, heard_at: datetime | None, failures: int, now: datetime
    ) -> None:
        self.source = source
        self.platform = platform_of(source)
        self.heard_at = heard_at
        self.failures = failures
        self.now = now
        self.is_silent = is_silent(source, heard_at=heard_at, now=now)
        self.is_pulled = is_pulled(source)

    @property
    def state(self) -> str:
        """One of WORDS."""
        source = self.source
        if source.paused_at is not None:
            return "paused"
        if not source.secret and not self.is_pulled:
            return "unfinished"
        if source.pull_state == PullState.REFUSED:
            return "refused"
        if self.heard_at is None:
            return "waiting"
        return "silent" if self.is_silent else "fine"

    @property
    def word(self) -> str:
        """How it stands, in a word or two."""
        return WORDS[self.state]

    @property
    def tag(self) -> str:
        """The colour of the word."""
        return TAGS.get(self.state, "")


def standings_of(account: Account, *, now: datetime) -> list[Standing]:
    """How the sources of ``account`` stand, in their order; one query."""
    return [
        Standing(
            source,
            heard_at=max(
                filter(None, (getattr(source, "heard_at", None), source.last_event_at)),
                default=None,
            ),
            failures=getattr(source, "failures", 0) or 0,
            now=now,
        )
        for source in selectors.sources_of(account)
    ]


class SourcePage(Standing):
    """The page of one source of ``account``."""

    def __init__(self, source: CallSource, *, account: Account, now: datetime) -> None:
        shown, count = selectors.failures_of(source)
        super().__init__(source, heard_at=selectors.heard_at(source), failures=count, now=now)
        self.account = account
        self.failed: Sequence[InboxEvent] = shown
        self.days = selectors.events_by_day(source, account=account, now=now)
        self.test = selectors.last_test(source)
        self.waiting = selectors.waiting_of(source)
        self.address = address_of(source)
        self.is_private = is_private(settings.SITE_URL)
        self.site_url = settings.SITE_URL
        self.secret = secret_of(source) if self.platform.makes_secret else ""
        self.has_secret = bool(source.secret)
        previous = source.previous_secret_ends_at
        self.previous_until = previous if previous is not None and previous > now else None
        self.command = self._command()

    # ── Addresses ─────────────────────────────────────────────────────────────────────────────
    @property
    def url(self) -> str:
        """The page's own."""
        return reverse("dashboard:source", args=[self.account.slug, self.source.public_id])

    @property
    def delete_url(self) -> str:
        """The page that asks before it is deleted."""
        return reverse("dashboard:source_delete", args=[self.account.slug, self.source.public_id])

    @property
    def shown(self) -> str:
        """Which content the page shows: an answer to one that shows the same is only its state."""
        test = f"{self.test.pk}{self.test.state}" if self.test else ""
        return f"{self.state}-{self.source.pull_state}-{self.failures}-{test}"

    @property
    def looks_again(self) -> bool:
        """Whether something is awaited."""
        is_testing = self.is_testing and self.source.paused_at is None
        return self.state == "waiting" or is_testing or self.is_asking

    @property
    def look_again_url(self) -> str:
        """What a page asks that waits."""
        return f"{self.url}?shown={self.shown}"

    @property
    def look_again_seconds(self) -> int:
        """How long until it asks again."""
        return LOOK_AGAIN_SECONDS

    # ── State ─────────────────────────────────────────────────────────────────────────────────
    @property
    def is_testing(self) -> bool:
        """Whether a test is under way, or held back until the source goes on."""
        return self.test is not None and self.test.state in (EventState.WAITING, EventState.HELD)

    @property
    def is_asking(self) -> bool:
        """Whether the list of calls is about to be asked for the first time, or anew."""
        due = self.source.next_pull_at
        return (
            self.is_pulled
            and self.source.paused_at is None
            and self.source.pull_state == PullState.NEVER
            and due is not None
        )

    @property
    def refused(self) -> Refused | None:
        """What was refused at its address within a week."""
        return refused_of(self.source.pk)

    @property
    def test_passed(self) -> bool:
        """Whether the last test was read."""
        return self.test is not None and self.test.state == EventState.IRRELEVANT

    @property
    def title(self) -> str:
        """How it stands."""
        return {
            "paused": "Paused",
            "unfinished": f"Enter the {in_a_sentence(self.platform.secret.label)}",
            "waiting": "Waiting for the first event",
            "refused": f"{self.platform.label} does not accept the key",
            "silent": f"Nothing heard for {self.silent_for}",
            "fine": "Calls arrive",
        }[self.state]

    @property
    def sentence(self) -> str:
        """What that means."""
        label = self.platform.label
        return {
            "paused": "What it sends is kept and recorded when it goes on. Its list is not asked.",
            "unfinished": f"Until then nothing that says it comes from {label} is believed.",
            "waiting": "This turns green by itself when the first event has arrived.",
            "refused": "Enter another one below. What is sent to the address goes on being taken.",
            "silent": "If there should have been calls, look whether the address is still set at "
            f"{label}.",
            "fine": "Every call is charged once, however often it is reported.",
        }[self.state]

    @property
    def silent_for(self) -> str:
        """How long nothing was heard."""
        silence = self.now - (self.heard_at or self.now)
        hours = silence // timedelta(hours=1)
        return f"{hours} hours" if hours < 48 else f"{hours // 24} days"

    @property
    def face(self) -> str:
        """The look of its panel."""
        return {
            "paused": "stopped",
            "unfinished": "question",
            "refused": "failed",
            "silent": "question",
            "fine": "done",
        }.get(self.state, "waiting")

    @property
    def failures_more(self) -> int:
        """How many failures are not shown."""
        return self.failures - len(self.failed)

    def _command(self) -> str:
        """A call of 42 s to send from a terminal; "" where nothing can be signed yet."""
        try:
            call_id = f"{SAMPLE_ID}{self.now:%Y%m%d%H%M%S}"
            sample = sample_of(self.source, url=self.address, now=self.now, call_id=call_id)
        except Refusal:
            return ""
        headers = {**sample.headers, "Content-Type": sample.content_type}
        parts = [f"curl {shlex.quote(self.address)}"]
        parts += [f"-H {shlex.quote(f'{name}: {text}')}" for name, text in headers.items()]
        parts.append(f"--data {shlex.quote(sample.body.decode())}")
        return " \\\n  ".join(parts)
