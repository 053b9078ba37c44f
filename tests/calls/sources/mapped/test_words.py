import pytest

from billing.plans.rating import UsageType
from calls.models import Status
from calls.sources.mapped.vocabulary import status_meant, usage_meant
from calls.sources.mapped.words import WordTable


def test_the_longest_beginning_that_fits_counts_and_a_whole_word_before_it():
    table = WordTable([("a", ["out*", "outbox"]), ("b", ["outbound*"])])
    assert [table.meaning(text) for text in ("OUT", "outbound-api", "Outbox", "in")] == [
        "a",
        "b",
        "a",
        None,
    ]


def test_nothing_means_nothing_even_where_any_beginning_does():
    table = WordTable([("any", ["*"])])
    assert table.meaning("x") == "any"
    assert table.meaning(" ") is None
    assert table.meaning("NULL") is None


def test_a_rejection_names_a_few_of_the_known_words():
    table = WordTable([("a", [f"word {number}" for number in range(20)])])
    assert table.reason_against("?").endswith("“word 11” and 8 more.")
    assert table.reason_against("").startswith("is empty; known are: “word 0”")


def test_a_column_of_anything_takes_no_memory_without_end():
    table = WordTable([("a", ["x"])])
    for number in range(10_050):
        table.meaning(str(number))
    assert table.meaning("10049") is None
    assert table.meaning("X") == "a"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("ANSWERED", Status.COMPLETED),
        ("customer-ended-call", Status.COMPLETED),
        ("customerDidNotAnswer", Status.NO_ANSWER),
        ("NO_ANSWER", Status.NO_ANSWER),
        ("Missed Call", Status.NO_ANSWER),
        ("dial_busy", Status.BUSY),
        ("CONGESTION", Status.FAILED),
        ("DNC", Status.BLOCKED),
        ("voicemail", None),
        ("perhaps", None),
    ],
)
def test_words_for_the_end_of_a_call(text, status):
    assert status_meant(text) is status


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        ("outboundPhoneCall", UsageType.OUTBOUND),
        ("outbound-api", UsageType.OUTBOUND),
        ("Incoming", UsageType.INBOUND),
        ("IN", UsageType.INBOUND),
        ("translation", UsageType.TRANSLATION),
        ("webCall", None),
        ("internal", None),
    ],
)
def test_words_for_who_called_whom(text, usage):
    assert usage_meant(text) is usage
