import pytest

from calls.notations.nothing import said, telephone_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+91 98 1234", "+91 98 1234"),
        ("918287463433.0", "918287463433"),
        ("+918287463433.00", "+918287463433"),
        ("9.18287E+11", None),
        ("9.18287463433E+11", "918287463433"),
        ("'+918287463433", "+918287463433"),
        ('="0091828746"', "0091828746"),
        ("=+918287463433", "+918287463433"),
        ("sip:asha@example.org", "sip:asha@example.org"),
        ("NULL", ""),
        (" \\N ", ""),
        ("-", ""),
        ("0", "0"),
        ("100", "100"),
    ],
)
def test_a_number_that_a_spreadsheet_had(text, expected):
    assert telephone_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Asha ", "Asha"),
        ("N/A", ""),
        ("none", ""),
        ("'=1+1", "=1+1"),
        ("'n Huis", "'n Huis"),
        ("O'Neill", "O'Neill"),
    ],
)
def test_a_text_without_what_stands_for_nothing(text, expected):
    assert said(text) == expected
