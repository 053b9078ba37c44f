"""References: each reads back as what it was made of, in Python and in SQL, and nobody else writes
one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from billing.ledger import references
from billing.notices import references as notice_references

ROOT = Path(__file__).resolve().parents[3]
OWNERS = {
    Path(references.__file__): references.PREFIXES,
    Path(notice_references.__file__): notice_references.PREFIXES,
}
PREFIXES = [prefix for prefixes in OWNERS.values() for prefix in prefixes]
# At the beginning of a text or after what is no word, and not followed by prose.
WRITTEN = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, PREFIXES))})(?!\s)")


def sources() -> Iterator[Path]:
    """Return every module of the product but its migrations."""
    for room in ("api", "billing", "calls", "config", "dashboard"):
        for path in (ROOT / room).rglob("*.py"):
            if "migrations" not in path.parts:
                yield path


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """Return the line and the text of each literal, parts of f-strings too; docstrings are not."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield node.lineno, text


def test_nobody_else_writes_the_text_of_a_reference() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line}: {text.strip()[:60]}"
        for path in sources()
        if path not in OWNERS
        for line, text in texts_of(path.read_text())
        if WRITTEN.search(text)
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        'f"call:{call_id}"',
        "\"WHERE reference = 'expiry:' || granted.reference\"",
        """ r"(?:expiry:)?top-up:(\\d+)" """,
        '"refund:%"',
        '"plan-credits:1:2"',
    ],
)
def test_the_text_of_a_reference_is_recognised(source: str) -> None:
    assert any(WRITTEN.search(text) for _, text in texts_of(f"reference = {source}"))


@pytest.mark.parametrize(
    "source", ['"""A call: exact time."""', 'f"Of the same call: {n}"', '"call"']
)
def test_prose_is_no_reference(source: str) -> None:
    assert not any(WRITTEN.search(text) for _, text in texts_of(source))


@pytest.mark.parametrize(
    ("reference", "cycle"),
    [
        (references.of_plan_credits(7, 12), (7, 12)),
        (references.of_expiry(grant_seq=7, entry_seq=12), None),
        (references.of_top_up(7), None),
    ],
)
def test_a_reference_names_its_cycle(reference: str, cycle: tuple[int, int] | None) -> None:
    assert references.cycle_in(reference) == cycle


WITHDRAWALS = {  # reference: whether it undoes a charge
    references.of_withdrawal(references.of_call("a:1")): True,
    references.of_withdrawal(references.of_call_again("a:1", 2)): True,
    references.of_withdrawal(references.of_correction("call:1", 2)): False,
    references.of_correction("withdrawal", 2): False,
}


@pytest.mark.parametrize(("reference", "is_of_charge"), WITHDRAWALS.items())
def test_a_withdrawal_of_a_charge_is_told_from_that_of_a_correction(
    reference: str, is_of_charge: bool
) -> None:
    assert references.is_of_withdrawn_charge(reference) == is_of_charge


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (references.of_call_sql("'a:1'"), references.of_call("a:1")),
        (references.of_correction_sql("'a:1'", "2::bigint"), references.of_correction("a:1", 2)),
        (references.correction_number_sql(f"'{references.of_correction('a:1', 2)}'"), "2"),
        (references.of_call_again_sql("'a:1'", "2::bigint"), references.of_call_again("a:1", 2)),
        (references.call_again_number_sql(f"'{references.of_call_again('a:1', 2)}'"), "2"),
        (references.is_call_again_sql(f"'{references.of_call_again('a:1', 2)}'"), True),
        (references.is_call_again_sql(f"'{references.of_call_again('a:1', 1)}'"), False),
        (
            references.of_withdrawal_sql(references.of_call_sql("'a:1'")),
            references.of_withdrawal(references.of_call("a:1")),
        ),
        (
            references.undone_by_sql(f"'{references.of_withdrawal(references.of_call('a:1'))}'"),
            references.of_call("a:1"),
        ),
        *(
            (references.is_of_withdrawn_charge_sql(f"'{reference}'"), is_of_charge)
            for reference, is_of_charge in WITHDRAWALS.items()
        ),
        (references.of_top_up_sql("7::bigint"), references.of_top_up(7)),
        (references.is_refund_sql(f"'{references.of_refund(7, 1, 5)}'"), True),
        (references.is_refund_sql(f"'{references.of_top_up(7)}'"), False),
        (references.refunded_top_up_id_sql(f"'{references.of_refund(7, 1, 5)}'"), "7"),
    ],
)
@pytest.mark.django_db
def test_sql_writes_and_reads_the_same_references(sql: str, expected: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {sql}")
        assert cursor.fetchone() == (expected,)
