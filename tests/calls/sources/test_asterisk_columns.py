"""In which order Asterisk's columns stand: told by names and values, never by their number."""

import pytest

from calls.sources.asterisk.columns import BASE, ORDERS, fits, is_header, names_of, order_of
from tests.calls.sources.asterisk_rows import row_of

NAMES = ["+".join(order[len(BASE) :]) or "16" for order in ORDERS]


def found_in(row):
    """The values of ``row`` by the names that are found for them."""
    order = order_of(row)
    assert order is not None
    return dict(zip(order, row, strict=False))


@pytest.mark.parametrize("order", ORDERS, ids=range(len(ORDERS)))
def test_every_order_is_told_by_its_values(order):
    assert order_of(row_of(order)) == order


@pytest.mark.parametrize("order", ORDERS, ids=range(len(ORDERS)))
def test_every_order_is_told_where_nobody_answered(order):
    row = row_of(order, answer="", billsec="0", disposition="NO ANSWER", userfield="")
    assert list(found_in(row))[:16] == list(order[:16])
    found = found_in(row)
    for name in ("uniqueid", "linkedid"):
        assert found.get(name, "") == (row_of(order)[order.index(name)] if name in order else "")


# A userfield alone, with nothing after it, might as well be an ID.
TOLD_BY_IDS = [order for order in ORDERS if "uniqueid" in order or "userfield" not in order]


@pytest.mark.parametrize("order", TOLD_BY_IDS)
def test_a_comma_at_the_end_of_the_row_changes_nothing(order):
    row = [*row_of(order), ""]
    found = found_in(row)
    assert {name: found[name] for name in order} == dict(zip(order, row, strict=False))


@pytest.mark.parametrize(
    "times",
    [
        {"start": "1795168800", "answer": "1795168807", "end": "1795168872"},
        {"start": "1795168800.250000", "answer": "0.000000", "end": "1795168872.500000"},
        {"start": "20/11/2026 10:00", "answer": "20/11/2026 10:00", "end": "20/11/2026 10:01"},
        {"start": "2026-11-20T10:00:00+0530", "answer": "0", "end": "2026-11-20T10:01:12+0530"},
    ],
)
@pytest.mark.parametrize("order", [order for order in ORDERS if "start" in order])
def test_times_may_be_written_in_any_way_that_occurs(times, order):
    assert order_of(row_of(order, **times)) == order


def test_a_row_by_something_else_has_no_order():
    assert order_of(["x"] * 19) is None
    assert order_of(["2026-11-20 10:00:00", "1", "2", "65"]) is None


def test_a_row_fits_the_order_of_the_row_before_unless_an_id_stands_elsewhere():
    assert fits(ORDERS[7], row_of(ORDERS[7]))
    assert not fits(ORDERS[7], row_of(ORDERS[8]))
    assert not fits(ORDERS[7], row_of(ORDERS[6]))


@pytest.mark.parametrize("order", ORDERS, ids=range(len(ORDERS)))
def test_a_header_is_told_by_its_names_in_any_order_and_case(order):
    assert is_header(names_of([f" {name.upper()}" for name in reversed(order)]))


def test_other_headers_are_none_of_asterisks():
    assert not is_header(names_of(row_of(BASE)))
    assert not is_header(["src", "dst", "start", "duration", "billsec", "disposition"])
