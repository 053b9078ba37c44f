"""The registry: every source can be found by its name, and the command offers its options."""

from argparse import ArgumentParser
from inspect import signature

import pytest

from calls.management.source_arguments import add_source_arguments
from calls.sources.registry import DEFAULT, SHIPPED, SOURCES, shipped_profiles


@pytest.mark.parametrize(("name", "source"), SOURCES.items())
def test_a_source_is_found_by_its_name_and_takes_its_options(name, source):
    assert (source.name, bool(source.label)) == (name, True)
    assert {option.name for option in source.options} <= set(signature(source).parameters)


def test_names_are_unique_and_one_is_the_default():
    assert DEFAULT in SOURCES
    assert len({source.label for source in SOURCES.values()}) == len(SOURCES)


def test_the_command_offers_the_options_of_every_source():
    parser = ArgumentParser()
    add_source_arguments(parser)
    offered = parser.format_help()
    for source in SOURCES.values():
        assert f"{source.name}: {source.label}" in " ".join(offered.split())
        for option in source.options:
            assert option.argument in offered


def test_a_shipped_profile_is_named_like_its_file_and_says_what_it_follows():
    profiles = shipped_profiles()
    assert {path.stem for path in SHIPPED.glob("*.json")} == set(profiles)
    for name, profile in profiles.items():
        assert (profile.name, bool(profile.label), bool(profile.source)) == (name, True, True)
        assert profile.recognise.columns or profile.recognise.values
    assert len({profile.label for profile in profiles.values()}) == len(profiles)
