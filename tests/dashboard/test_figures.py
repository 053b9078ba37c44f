"""How numbers are written on the pages."""

import pytest

from dashboard.templatetags.figures import (
    added,
    balance_in_words,
    foldable,
    grouped,
    in_credits,
    largest,
    middle,
    signed,
    used,
)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (999, "999"), (12_480, "12,480"), (-1_234_567, "−1,234,567")]
)
def test_numbers_are_grouped_with_a_true_minus(number, text):
    assert grouped(number) == text


@pytest.mark.parametrize(("number", "text"), [(500, "+500"), (-80, "−80"), (0, "0")])
def test_signed_numbers_say_which_way_they_go(number, text):
    assert signed(number) == text


@pytest.mark.parametrize(
    ("credits", "words"), [(12_480, "12,480 credits"), (0, "0 credits"), (-1, "1 credit owed")]
)
def test_a_negative_balance_is_owed(credits, words):
    assert balance_in_words(credits) == words


def test_credits_are_named():
    assert in_credits(1) == "1 credit"
    assert in_credits(-2) == "−2 credits"


def test_used_credits_have_no_sign():
    assert used(12) == "12"


def test_credits_given_back_have_a_minus():
    assert used(-2) == "−2"


@pytest.mark.parametrize("cell", [used, added])
def test_zero_is_a_dash_for_the_eye_and_none_for_the_ear(cell):
    assert cell(0) == '<span aria-hidden="true">–</span><span class="spoken">none</span>'


def test_added_credits_have_a_plus_and_expired_ones_a_minus():
    assert added(500) == '<span class="positive">+500</span>'
    assert added(-80) == '<span class="removed">−80</span>'


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("−9,999,999", "−9,999,999"),
        ("12,345,678", "12,345,678"),
        ("+12,345,678", "+12,<wbr>345,<wbr>678"),
        ("428,400,000.5", "428,<wbr>400,<wbr>000.5"),
        ("<b>1,234,567</b>", "<b>1,234,567</b>"),
    ],
)
def test_numbers_that_do_not_fit_anywhere_may_fold_at_their_commas(written, shown):
    assert foldable(written) == shown
    assert hasattr(foldable(written), "__html__") == ("<b>" not in shown)


def test_a_long_word_stays_whole_in_the_page():
    assert middle("call_5496ef99c017") == (
        '<span class="middle" title="call_5496ef99c017">'
        '<span class="middle-head">call_5496ef</span>99c017</span>'
    )


def test_what_others_made_up_is_escaped():
    assert "<script>" not in middle("<script>alert(1)</script>")


def test_the_largest_value_is_at_least_one():
    class Day:
        credits_used = 0

    assert largest([Day()], "credits_used") == 1
    assert largest([], "credits_used") == 1
