import pytest

from calls.sources.mapped.naming import SYNONYMS, Name, name_of, rank


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("startedAt", Name("started at")),
        ("Wait (s)", Name("wait", unit="s")),
        ("Start time (UTC)", Name("start time", zone="UTC")),
        ("Date/Time Start [GMT+5:30]", Name("date time start", zone="GMT+5:30")),
        ("start_time_utc", Name("start time", zone="UTC")),
        ("length_in_sec", Name("length", unit="s")),
        ("duration_ms", Name("duration", unit="ms")),
        ("Talk time (hh:mm:ss)", Name("talk time", unit="h:m:s")),
        ("Talk time (hh:mm)", Name("talk time", unit="h:m")),
        ("Talk time h:mm", Name("talk time", unit="h:m")),
        ("Duration (h:m:s)", Name("duration", unit="h:m:s")),
        ("Duration (m:s)", Name("duration", unit="m:s")),
        ("Answered (Y/N)", Name("answered y n")),
        ("customer.number", Name("customer number")),
        ("Duration (total)", Name("duration total")),
        ("Seconds", Name("seconds", unit="s")),
        ("minutes", Name("minutes", unit="min")),
        ("billsec", Name("billsec")),
        ("Bill sec", Name("bill sec", unit="s")),
        ("Start (Asia/Kolkata)", Name("start", zone="Asia/Kolkata")),
    ],
)
def test_a_name_is_taken_apart(column, name):
    assert name_of(column) == name


def test_a_synonym_goes_before_a_name_that_only_sounds_like_it():
    exact, alike = rank("started_at", "started at"), rank("started_at", "setup of the call")
    assert exact is not None
    assert alike is not None
    assert exact < alike
    assert rank("started_at", "rating") is None


def test_every_synonym_is_written_as_names_are_read():
    for part, synonyms in SYNONYMS.items():
        for words in synonyms.split(";"):
            assert name_of(words).words == words, words
            assert rank(part, words) is not None
