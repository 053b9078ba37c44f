"""Thousands of hostile requests to the real server: no answer of 5xx, no change by GET, nothing of
another account.

Every address of the URLconf, by everybody, with every method; every parameter that pages use, with
values that nobody means; bodies, headers and connections that are no HTTP.
"""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, cycle, islice
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings
from django.utils import timezone

from billing.payments.gateways.signatures import sign
from dashboard.sandbox.gateway import SIGNATURE_HEADER
from tests.hostile import values
from tests.hostile.addresses import Address, every_address
from tests.hostile.site import (
    Answer,
    Shot,
    Site,
    Verdict,
    contents,
    form_of,
    parameters_of,
    served,
)
from tests.hostile.world import EVERYBODY, MARK, NOBODY, OPERATOR, OTHER_MARK, World, build

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("hostile")]

OTHER_METHODS = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
READER = "superadmin"
AT_ONCE = 12
# Operators' pages take long to make, and `tests/dashboard/operations/test_hostile.py` has more.
OF_A_PAGE_MAX, OF_AN_OPERATORS_PAGE_MAX = 15, 3
Item = TypeVar("Item")


@pytest.fixture(scope="module")
def port(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where the site is served."""
    with served(tmp_path_factory.mktemp("hostile")) as port:
        yield port


@pytest.fixture
def world(transactional_db: None, default_plans: None, default_packs: None) -> World:
    """Two companies, and who may see what."""
    return build()


@pytest.fixture
def site(port: int, world: World) -> Iterator[Site]:
    """The site; what any answer of it must not be is found at the end of the test."""
    site = Site(port, world)
    yield site
    statuses = dict(sorted(site.verdict.statuses.items()))
    print(f"{sum(statuses.values()):,} requests: {statuses}")
    assert site.verdict.faults == []
    assert site.signed_in() == set(world.people)
    assert site.is_alive()


@pytest.fixture
def addresses(world: World) -> list[Address]:
    """Every address there is; those that delete come last."""
    return sorted(every_address(world.examples), key=lambda one: one.deletes)


def in_parts(items: Iterable[Item], most: int) -> list[list[Item]]:
    """``items`` in ``most`` lists at the most."""
    held = list(items)
    return [part for part in (held[number::most] for number in range(most)) if part]


def reader_of(address: Address) -> str:
    return OPERATOR if address.is_of_operators else READER


def most_of(address: Address) -> int:
    return OF_AN_OPERATORS_PAGE_MAX if address.is_of_operators else OF_A_PAGE_MAX


def pages_of(site: Site, addresses: list[Address]) -> dict[Address, Answer]:
    """The addresses that are pages for people, as their reader or else a visitor sees them."""
    found: dict[Address, Answer] = {}
    for role in (None, NOBODY):
        asked = [address for address in addresses if address not in found]
        answers = site.fire(Shot(role or reader_of(one), "GET", one.path) for one in asked)
        for address, answer in zip(asked, answers, strict=True):
            if answer is not None and answer.status == 200 and answer.is_html:
                found[address] = answer
    return found


def test_everybody_everywhere_with_every_method(site: Site, addresses: list[Address]) -> None:
    others = cycle(OTHER_METHODS)
    before = contents()
    answers = site.fire(Shot(role, "GET", one.path) for role in EVERYBODY for one in addresses)
    seen = {
        one.path
        for (_, one), answer in zip(
            ((role, one) for role in EVERYBODY for one in addresses), answers, strict=True
        )
        if answer is not None and answer.status == 200
    }
    assert contents() == before
    named = {
        path
        for answer in answers
        if answer is not None and answer.is_html
        for path in re.findall(rb'(?:src|href)="(/static/[^"?#]+)"', answer.body)
    }
    files = site.fire(Shot(NOBODY, "GET", path.decode()) for path in sorted(named))
    assert {answer and answer.status for answer in files} == {200}
    assert len(named) > 40
    # The others only act, or lead on.
    assert len(seen) > len(addresses) / 2, sorted({one.path for one in addresses} - seen)
    # Of those who may see no operator's page, one sends to each of these, in turn.
    site.fire(
        Shot(role, method, one.path, b"" if method != "HEAD" else None)
        for turn, role in enumerate(EVERYBODY)
        for number, one in enumerate(addresses)
        if role == OPERATOR or not one.is_of_operators or (number + turn) % len(EVERYBODY) == 0
        for method in ("POST", next(others))
    )


def test_every_parameter_with_what_nobody_means(site: Site, addresses: list[Address]) -> None:
    before = contents()
    value, shape = cycle(values.VALUES), cycle(values.SHAPES)
    shots = []
    for address, page in pages_of(site, addresses).items():
        names = sorted(parameters_of(page.body))
        names += islice(chain(values.NAMES), 8 if address.is_of_operators else None)
        for number, part in enumerate(in_parts(names, most_of(address))):
            asked = [f"{quote(name)}={next(value)}" for name in part]
            if number % 4 == 3:
                asked = [next(shape).format(name=quote(name)) for name in part]
            # What is longer than a header may be, is refused before any page sees it.
            query = "&".join(asked)[:30_000]
            headers = {"HX-Request": "true"} if number % 3 == 1 else {}
            shots.append(
                Shot(reader_of(address), "GET", f"{address.path}?{query}", None, "", headers)
            )
    site.fire(shots)
    assert contents() == before


def test_places_to_go_on_to_that_nobody_can_read(site: Site, addresses: list[Address]) -> None:
    before = contents()
    places = [urlencode({"next": place}) for place in values.PLACES]
    pages = [one.path for one in addresses if one.path.startswith("/accounts/")]
    pages += ["/", "/admin/login/"]
    site.fire(
        Shot(role, "GET", f"{path}?{place}")
        for role in (NOBODY, READER, OPERATOR)
        for path in pages
        for place in places
    )
    assert contents() == before
    place = cycle(places)
    site.fire(
        Shot(role, "POST", path, next(place).encode())
        for role in (NOBODY, READER)
        for path in pages
        for _ in range(3)
    )


def test_every_argument_of_an_address_with_what_nobody_means(
    site: Site, addresses: list[Address]
) -> None:
    before = contents()
    value = cycle(one for one in values.VALUES if one)
    site.fire(
        Shot(reader_of(address), "GET", address.with_argument(number, next(value)))
        for address in addresses
        for number in range(len(address.arguments))
        for _ in range(4)
    )
    assert contents() == before


def test_every_form_with_what_nobody_means(site: Site, addresses: list[Address]) -> None:
    theirs = contents_of_others()
    value = cycle(values.VALUES)
    shots = []
    for address, page in pages_of(site, addresses).items():
        fields = form_of(page.body)
        for part in in_parts(fields, most_of(address)):
            kept = urlencode({name: fields[name] for name in fields if name not in part})
            hostile = "&".join(f"{quote(name)}={next(value)}" for name in part)
            body = f"{kept}&{hostile}".encode()
            shots.append(Shot(reader_of(address), "POST", address.path, body))
    site.fire(shots)
    assert contents_of_others() == theirs


def test_bodies_that_are_no_forms(site: Site, addresses: list[Address]) -> None:
    bodies = cycle(values.BODIES)
    site.fire(
        Shot(reader_of(address), method, address.path, body, kind)
        for address in addresses
        for kind, body in islice(bodies, 1 if address.is_of_operators else 7)
        for method in ("PUT" if "/parts/" in address.path else "POST",)
    )


def test_headers_that_say_nonsense(site: Site) -> None:
    before = contents()
    paths = [
        "/",
        "/accounts/login/",
        "/a/acme/billing/usage/",
        "/no/such/page/",
        "/static/css/base.css",
    ]
    site.fire(
        Shot(role, "GET", path, None, "", headers)
        for headers in values.HEADERS
        for role in (READER, NOBODY)
        for path in paths
    )
    assert contents() == before
    site.fire(
        Shot(role, "POST", path, b"a=b", headers=headers)
        for headers in values.HEADERS
        for role, path in [(NOBODY, "/accounts/login/"), (NOBODY, "/webhooks/stripe/")]
    )


def test_events_that_are_signed_and_still_nonsense(site: Site) -> None:
    shots = []
    for body in values.EVENTS:
        secret = settings.SANDBOX_WEBHOOK_SECRET
        signed = {SIGNATURE_HEADER: sign(body=body, secret=secret, at=timezone.now())}
        shots += [Shot(NOBODY, "POST", "/webhooks/sandbox/", body, "application/json", signed)] * 2
    assert {answer and answer.status for answer in site.fire(shots)} <= {200, 400, 413}


def test_connections_that_are_no_http(site: Site) -> None:
    before = contents()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(site.first_line, values.RAW))
    for sent, said in zip(values.RAW, answers, strict=True):
        assert re.match(r"(HTTP/1\.[01] [234]\d\d |$|waits$)", said), (sent[:120], said)
    assert site.is_alive()
    assert contents() == before


def contents_of_others() -> dict[str, Any]:
    """What is stored of the other account."""
    from django.apps import apps  # noqa: PLC0415

    return {
        model._meta.label: list(
            model._default_manager.filter(account__slug="other").order_by("pk").values()
        )
        for model in apps.get_models()
        if any(one.name == "account" for one in model._meta.concrete_fields)
    }


# ── Controls: what must not be overlooked ─────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (None, "0: GET"),
        (Answer(500, b"", True), "500: GET"),
        (Answer(503, b"", True), "503: GET"),
        (Answer(200, f"<td>{OTHER_MARK} said".encode(), True), f"{OTHER_MARK} told"),
        (Answer(404, OTHER_MARK.lower().encode(), True), f"{OTHER_MARK} told"),
    ],
)
def test_a_fault_is_found(answer: Answer | None, fault: str) -> None:
    verdict = Verdict()
    verdict.judge(Shot("member", "GET", "/"), answer, [OTHER_MARK])
    assert [one.startswith(fault) for one in verdict.faults] == [True]


def test_what_is_ones_own_is_no_fault() -> None:
    verdict = Verdict()
    verdict.judge(Shot("member", "GET", "/"), Answer(200, MARK.encode(), True), [OTHER_MARK])
    assert verdict.faults == []


def test_a_parameter_without_an_example_is_said(world: World) -> None:
    examples = {name: one for name, one in world.examples.items() if name != "rows/seq"}
    with pytest.raises(LookupError, match="give an example of “rows/seq”"):
        every_address(examples)


def test_a_change_is_found(world: World) -> None:
    before = contents()
    world.people["member"].first_name = "Asha"
    world.people["member"].save()
    changed = {name for name, held in contents().items() if held != before[name]}
    assert "billing_user" in changed
