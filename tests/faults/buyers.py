"""Customers of the fault harness: they buy as a browser does, and try again when something fails.

What they believe is only what they were shown; the truth is in the provider's books.
"""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from threading import Lock
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

# A step that fails is tried again, as a person would; this long at the most.
STEP_SECONDS_MAX = 120
REQUEST_SECONDS_MAX = 15
THINKING_SECONDS_MAX = 1.5
# A tenth of all that the provider would report is lost on purpose.
LOST_SHARE = 0.1
# What happens to a payment after it was made: in its own order, each step maybe not reported.
REVERSALS: dict[tuple[str, ...], int] = {
    (): 60,
    ("refund",): 10,
    ("refund", "fail_refund"): 6,
    ("dispute",): 6,
    ("dispute", "win"): 8,
    ("dispute", "lose"): 5,
    ("dispute", "lose", "reinstate"): 5,
}
DECISIONS = {"pay": 66, "pay_late": 14, "decline": 10, "leave": 10}


class OutOfPatienceError(Exception):
    """A step did not succeed in time."""


@dataclass
class Diary:
    """What all buyers did and saw. Times are this machine's, as the product's are."""

    figures: Counter[str] = field(default_factory=Counter)
    paid_at: dict[str, datetime] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _lock: Any = field(default_factory=Lock)

    def count(self, what: str, times: int = 1) -> None:
        """Add to a figure."""
        with self._lock:
            self.figures[what] += times

    def paid(self, checkout_id: str) -> None:
        """Note that the provider's page took a payment, and when."""
        with self._lock:
            self.paid_at[checkout_id] = datetime.now(UTC)


class _Fields(HTMLParser):
    """The named inputs of a page with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "input" and attributes.get("name") and attributes.get("type") == "hidden":
            self.found[str(attributes["name"])] = attributes.get("value") or ""


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden inputs of a page."""
    fields = _Fields()
    fields.feed(page)
    return fields.found


class Buyer:
    """One person, who owns one account and buys for it, one top-up after the other."""

    def __init__(self, *, site: str, email: str, password: str, slug: str, diary: Diary) -> None:
        self._site = site
        self._shop = f"{site}/a/{slug}/billing/top-up/"
        self._session = requests.Session()
        self._diary = diary
        self._token = ""
        self._sign_in(email, password)

    def buy(self, *, credits: int, chance: random.Random) -> None:
        """Choose, review, go to the provider, decide there, come back."""
        decision = chance.choices(list(DECISIONS), weights=list(DECISIONS.values()))[0]
        twice = chance.random() < 0.2
        review = self._step("GET", self._shop, params={"choice": "own", "credits": str(credits)})
        form = hidden_fields(review.text)
        begun = self._send_twice(form) if twice else self._step("POST", self._shop, data=form)
        checkout = urljoin(self._site, begun.headers["Location"])
        if "/sandbox/checkout/" not in checkout:
            raise OutOfPatienceError(f"not led to the provider but to {checkout}")
        self._diary.count("purchases begun")
        self._diary.count(f"customers who {decision.replace('_', ' ')}")
        page = self._step("GET", checkout)
        time.sleep(chance.uniform(0, THINKING_SECONDS_MAX))
        if decision == "leave":
            return
        options = _options(chance) | {"late_seconds": str(chance.randint(1, 6))}
        decided = self._step(
            "POST", checkout, data={**hidden_fields(page.text), **options, "decision": decision}
        )
        if decision == "pay":
            self._diary.paid(urlsplit(checkout).path.strip("/").split("/")[-1])
        self._step("GET", urljoin(self._site, decided.headers["Location"]))
        if decision == "pay":
            self._reverse(checkout, chance)

    def send(self, method: str, address: str, **more: Any) -> requests.Response:
        """Send a request as a script of a page does, until it is answered."""
        if not self._token:
            self._token = hidden_fields(self._step("GET", self._shop).text)["csrfmiddlewaretoken"]
        headers = {"X-CSRFToken": self._token, "Referer": self._shop}
        return self._step(method, urljoin(self._site, address), headers=headers, **more)

    def _reverse(self, checkout: str, chance: random.Random) -> None:
        """Have the payment paid back or disputed at the provider, wholly or in part."""
        steps = chance.choices(list(REVERSALS), weights=list(REVERSALS.values()))[0]
        for action in steps:
            page = self._step("GET", checkout)
            amount = str(chance.randint(1, 9_000)) if chance.random() < 0.5 else ""
            sent = {**hidden_fields(page.text), "action": action, "amount_minor": amount}
            if chance.random() < LOST_SHARE:
                sent["silent"] = "on"
                self._diary.count("reports of refunds and disputes lost on purpose")
            self._step("POST", checkout, data=sent)
            self._diary.count(f"payments: {action.replace('_', ' ')}")
            time.sleep(chance.uniform(0, THINKING_SECONDS_MAX))

    def _sign_in(self, email: str, password: str) -> None:
        address = f"{self._site}/accounts/login/"
        fields = hidden_fields(self._step("GET", address).text)
        self._step("POST", address, data={**fields, "login": email, "password": password})
        if not self._session.cookies.get("sessionid"):
            raise OutOfPatienceError(f"{email} could not sign in")

    def _send_twice(self, form: dict[str, str]) -> requests.Response:
        """A double click: the same form, twice at the same time."""
        self._diary.count("forms sent twice")
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(self._step, "POST", self._shop, data=form) for _ in range(2)]
        first, second = (answer.result() for answer in answers)
        if first.headers["Location"] != second.headers["Location"]:
            self._diary.errors.append(f"a double click began two purchases: {self._shop}")
        return first

    def _step(self, method: str, address: str, **more: Any) -> requests.Response:
        """Send a request until it is answered with something else than a failure."""
        deadline = time.monotonic() + STEP_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                answer = self._session.request(
                    method, address, timeout=REQUEST_SECONDS_MAX, allow_redirects=False, **more
                )
                if answer.status_code < 400:
                    return answer
                what = f"answers of {answer.status_code}"
            except requests.RequestException:
                what = "requests without an answer"
            self._diary.count(what)
            time.sleep(0.3)
        raise OutOfPatienceError(f"{method} {address}: {what}")


def _options(chance: random.Random) -> dict[str, str]:
    """How the provider is to report: mostly at once, sometimes twice, late, in disorder or not."""
    options = {}
    for name, share in (("repeat", 0.3), ("reorder", 0.3), ("silent", LOST_SHARE)):
        if chance.random() < share:
            options[name] = "on"
    if chance.random() < 0.2:
        options["delay_seconds"] = str(chance.randint(1, 4))
    return options
