# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The options of the command line: all settings, in their types, with their help."""

from __future__ import annotations

import argparse
import re
import typing
from dataclasses import fields

import pytest

from data_builders.__main__ import main
from data_builders.building.builder import DialogueConfig
from data_builders.cleaning.pipeline import CleaningSettings
from data_builders.commands.declared import declared_fields, declared_formats
from data_builders.commands.options import build_settings, family_options, make_parser
from data_builders.formats.registry import FAMILIES, FILE_FAMILIES
from data_builders.selecting.settings import SelectionSettings
from data_builders.sources.mixture import MixtureConfig

# Fields that are no option, and why.
NO_OPTION = {
    **dict.fromkeys(
        ("name", "version", "data_dir", "data_files", "description"), "of `datasets` itself"
    ),
    "files": "what stands behind the options",
    "cleaning": "its fields are options",
    "selection": "its fields are options",
}


def commands() -> dict[str, argparse.ArgumentParser]:
    return make_parser()._subparsers._group_actions[0].choices


COMMANDS = list(commands())


def options_of(command: str) -> dict[str, typing.Any]:
    return {action.dest: action for action in commands()[command]._actions}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_of_a_family_is_an_option_with_help(family):
    options = options_of(family)
    names = {field.name for field in fields(FAMILIES[family].BUILDER_CONFIG_CLASS)}
    assert names - set(options) - set(NO_OPTION) == set()
    assert not set(NO_OPTION) & set(options)
    for name in names & set(options):
        assert len(options[name].help) > 15, name


@pytest.mark.parametrize("command", ["build", "mix", *FAMILIES])
@pytest.mark.parametrize("kind", [CleaningSettings, SelectionSettings])
def test_every_setting_of_cleaning_and_selection_is_an_option_of_every_build(command, kind):
    options = options_of(command)
    assert all(len(options[field.name].help) > 15 for field in fields(kind))


def test_only_sources_and_seed_of_a_mixture_are_for_its_file_alone():
    names = {field.name for field in fields(MixtureConfig)} - set(NO_OPTION)
    assert names - set(options_of("mix")) == {"sources", "seed"}


@pytest.mark.parametrize(
    "kind",
    [DialogueConfig, CleaningSettings, SelectionSettings]
    + [family.BUILDER_CONFIG_CLASS for family in FAMILIES.values()],
)
def test_every_field_is_read_from_the_source_as_the_class_has_it(kind):
    own = {field.name: field for field in fields(kind) if field.name not in NO_OPTION}
    read = {n: field for n, field in declared_fields(kind.__name__).items() if n not in NO_OPTION}
    assert list(read) == list(own)
    for name, field in read.items():
        assert field.about and field.hint == own[name].type
        plain = isinstance(own[name].default, int | float | str)
        assert field.default == (own[name].default if plain else None)


def test_the_formats_read_from_the_source_are_those_of_the_registry():
    read = declared_formats()
    assert {name: family.title for name, family in read.items()} == {
        name: family.TITLE for name, family in FAMILIES.items()
    }
    assert [name for name, family in read.items() if family.reads_files] == list(FILE_FAMILIES)


def test_no_option_means_two_things():
    for command in ["build", "mix", *FAMILIES]:
        names = [name for action in options_of(command).values() for name in action.option_strings]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_prints(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m data_builders {command}")
    assert "%(" not in said and "MISSING" not in said


def test_help_without_a_command_lists_them_all(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    listed = re.findall(r"^    ([\w-]+)", capsys.readouterr().out, re.MULTILINE)
    assert listed == COMMANDS
    assert {"build", "mix", *FAMILIES, "formats", "inspect", "push"} <= set(listed)


def test_help_tells_the_default(capsys):
    with pytest.raises(SystemExit):
        main(["build", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "(default: 0.05)" in said and "(default: yes)" in said and "(default: no)" in said


def given(*argv: str) -> tuple[dict[str, typing.Any], dict[str, typing.Any]]:
    arguments = make_parser().parse_args([*argv, "--output", "out"])
    return family_options(arguments), build_settings(arguments)


def test_what_is_not_given_is_left_to_the_library():
    assert given("mix", "m.yaml") == ({}, {})
    assert given("separated", "a.txt") == ({}, {})
    assert given("build", "m.yaml") == ({}, {})


def test_values_arrive_in_their_types():
    options, settings = given(
        *("separated", "a.txt", "--separator", "=", "--maximum-columns", "3", "--strict"),
        *("--test-fraction", "0", "--workers", "1", "--maximum-chars", "40"),
        *("--entropy-threshold", "2", "--languages", "zh", "en", "--license", "MIT"),
    )
    assert options == {"separator": "=", "maximum_columns": 3}
    assert settings == {
        **{"languages": ["zh", "en"], "strict": True, "test_fraction": 0.0, "workers": 1},
        **{"license": "MIT", "cleaning": {"maximum_chars": 40}},
        "selection": {"entropy_threshold": 2.0},
    }
    for name in ("test_fraction",):
        assert type(settings[name]) is float


@pytest.mark.parametrize("name", ["urls", "near_duplicates", "leak_free", "strict"])
def test_switches_have_both_directions(name):
    option = name.replace("_", "-")
    for value, text in ((True, f"--{option}"), (False, f"--no-{option}")):
        _, settings = given("build", "a.txt", text)
        found = {**settings, **settings.get("cleaning", {}), **settings.get("selection", {})}
        assert found[name] is value


def test_columns_are_key_and_value():
    options, _ = given("csv", "a.csv", "--columns", "question=ask", "reply=a=b")
    assert options == {"columns": {"question": "ask", "reply": "a=b"}}


@pytest.mark.parametrize("wrong", ["ask", "=ask", "question="])
def test_columns_of_another_shape_are_refused(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        given("csv", "a.csv", "--columns", wrong)
    assert ended.value.code == 2
    assert f"must be KEY=VALUE (got {wrong!r})" in capsys.readouterr().err


def test_paths_may_stand_before_or_behind_the_options():
    before = make_parser().parse_args(["build", "a.txt", "b.txt", "--output", "out", "--strict"])
    behind = make_parser().parse_args(["build", "--strict", "--output", "out", "a.txt", "b.txt"])
    assert vars(before) == vars(behind)


WRONG = {
    "no such file": ["build", "nowhere.txt"],
    "fraction": ["pairs", "nowhere.txt", "--test-fraction", "2"],
    "workers": ["pairs", "nowhere.txt", "--workers", "0"],
    "language": ["pairs", "nowhere.txt", "--language", "klingon"],
    "languages": ["pairs", "nowhere.txt", "--languages", "klingon"],
    "entropy": ["pairs", "nowhere.txt", "--entropy-filter", "all"],
    "negative": ["pairs", "nowhere.txt", "--maximum-reply-count", "-1"],
    "bounds": ["pairs", "nowhere.txt", "--minimum-chars", "9", "--maximum-chars", "3"],
    "joining": ["pairs", "nowhere.txt", "--join-segmented", "sometimes"],
    "no files": ["pairs"],
    "half a pair": ["cornell", "--lines", "nowhere.txt"],
    "no mixture": ["mix", "nowhere.yaml"],
    "no block list": ["pairs", __file__, "--block-list", "nowhere.txt"],
    "no category": ["chatterbot", "--exclude-categories", "nothing"],
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_values_are_one_sentence_and_code_2(what, tmp_path, capsys):
    folders = ["--output", str(tmp_path / "out"), "--cache-dir", str(tmp_path / "cache")]
    assert main([*WRONG[what], *folders]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(r"[.!] [A-Z`]|: |\(got ", error), error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "argv, said",
    [
        ([], "required: COMMAND"),
        (["bild"], "there is no command `bild`. Did you mean `build`?"),
        (["build", "a.txt"], "required: --output"),
        (["build", "--output", "o"], "required: PATH"),
        (["build", "a.txt", "--output", "o", "--workers", "two"], "invalid int value: 'two'"),
        (["build", "a.txt", "--output", "o", "--format", "hub"], "(got 'hub')"),
        (["build", "a.txt", "--outptu", "o"], "option `--outptu`. Did you mean `--output`?"),
        (["mix", "a.yaml", "b.yaml", "--output", "o"], "unrecognized arguments: b.yaml"),
    ],
)
def test_a_command_line_that_cannot_be_meant(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_formats_lists_every_family(capsys):
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FAMILIES)
    assert set(FILE_FAMILIES) < set(FAMILIES)
