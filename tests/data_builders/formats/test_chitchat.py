# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""What the reader of the Chit-Chat Challenge promises: whole turns, and a package left unrun."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_builders.errors import UserError
from data_builders.formats.chitchat import (
    ChitchatCorpus,
    ChitchatPackageConfig,
    ChitchatPackageCorpus,
    parse_chat,
)
from data_builders.formats.messages import MessagesCorpus
from data_builders.report import BuildReport, RowError
from tests.data_builders.formats.json_rows import (
    beginning,
    deep,
    one_file,
    sample,
    texts,
)


def chat(*turns: list[str]) -> dict:
    """Turns of two senders, each a list of short messages."""
    messages = [
        [{"text": text, "sender": sender, "timestamp": "2020"} for text in turn]
        for turn, sender in zip(turns, ("s1", "s2") * len(turns), strict=False)
    ]
    return {"messages": messages, "prompt": "Rain?", "start": "2020"}


@pytest.fixture()
def package(tmp_path, monkeypatch):
    """A package of that name whose code must not be run."""
    folder = tmp_path / "site" / "chitchat_dataset"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('was run')")
    content = json.dumps({"a": chat(["hey"], ["hi"]), "b": chat(["anyone?"])})
    (folder / "dataset.json").write_text(content)
    monkeypatch.delitem(sys.modules, "chitchat_dataset", raising=False)
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


def test_the_messages_of_a_turn_are_joined_by_a_newline(read):
    content = json.dumps({"a": chat(["hey", "was it hard?"], ["no"], ["good"])})
    dialogues, report = read(ChitchatCorpus, content, name="a.json")
    assert [d.turns for d in dialogues] == [("hey\nwas it hard?", "no", "good")]
    assert dialogues[0].roles == () and not report.notes


def test_empty_messages_are_skipped_and_counted(read):
    content = json.dumps({"a": chat(["hey", ""], [" "], ["you there?"], ["yes"])})
    dialogues, report = read(ChitchatCorpus, content, name="a.json")
    # The turn that was empty is gone, so the one before it and the one after are neighbours.
    assert [d.turns for d in dialogues] == [("hey\nyou there?", "yes")]
    assert report.notes == {"empty messages skipped": 2}


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (chat(["anyone?"]), "fewer than two turns"),
        (chat(["anyone?"], [""]), "fewer than two turns"),
        (chat(), "fewer than two turns"),
        ("x", "not an object"),
        ({"prompt": "x"}, "missing field"),
        ({"messages": "x"}, "not a list"),
        ({"messages": ["x", "y"]}, "not a list"),
        ({"messages": [["x"], ["y"]]}, "not an object"),
        ({"messages": [[{"text": 3}], [{"text": "y"}]]}, "not a string"),
    ],
)
def test_what_breaks_a_rule_is_rejected_alone(read, row, rule):
    content = json.dumps({"a": row, "b": chat(["hey"], ["hi"])})
    dialogues, report = read(ChitchatCorpus, content, name="a.json")
    assert [d.turns for d in dialogues] == [("hey", "hi")]
    assert report.rejected == {rule: 1}


def test_values_too_deep_to_be_shown_are_rejected_all_the_same():
    for row in (deep(), {"messages": deep()}, {"messages": [[{"text": deep()}]]}):
        with pytest.raises(RowError):
            parse_chat(row, BuildReport())


@one_file
@given(
    st.lists(
        st.lists(st.lists(texts, min_size=1, max_size=3), min_size=2, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_conversations_are_read_back_as_written(read, chats):
    content = json.dumps({str(number): chat(*turns) for number, turns in enumerate(chats)})
    found, report = read(ChitchatCorpus, content, name="a.json")
    assert not report.rejected
    assert [d.turns for d in found] == [
        tuple("\n".join(text.strip() for text in turn) for turn in turns) for turns in chats
    ]


def test_it_is_told_from_other_messages():
    assert ChitchatCorpus.resembles(sample([chat(["a"], ["b"])])).score >= 0.9
    assert MessagesCorpus.resembles(sample([chat(["a"], ["b"])])) is None
    for other in ({"messages": [{"role": "user", "content": "a"}]}, {"messages": []}, ["a"]):
        assert ChitchatCorpus.resembles(sample([other])) is None
    assert ChitchatPackageCorpus.resembles(sample([chat(["a"], ["b"])])) is None


def test_the_package_is_read_without_running_it(package):
    report = BuildReport()
    found = list(ChitchatPackageCorpus.read_sources(ChitchatPackageConfig(), report))
    assert [(d.turns, d.source) for d in found] == [(("hey", "hi"), "chitchat-dataset")]
    assert report.rejected == {"fewer than two turns": 1}
    assert "chitchat_dataset" not in sys.modules


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install chitchat-dataset"):
        ChitchatPackageConfig()


def test_a_package_without_its_data_is_named_with_its_command(package):
    (package / "dataset.json").unlink()
    with pytest.raises(UserError, match="no file dataset.json.*pip install chitchat-dataset"):
        ChitchatPackageConfig()


def test_files_of_ones_own_belong_to_the_other_format(package):
    with pytest.raises(UserError, match="choose the format .chitchat."):
        ChitchatPackageConfig(files=("my.json",))


def test_the_real_conversations_are_all_accounted_for(shared_data):
    path = shared_data / "en_dialogue" / "chitchat_dataset.json.gz"
    report = BuildReport()
    config = ChitchatCorpus.BUILDER_CONFIG_CLASS(files=(str(path),))
    found = sum(1 for _ in ChitchatCorpus.read_sources(config, report))
    assert found == 4_017
    assert found + report.rejected["fewer than two turns"] == 7_168
    assert report.notes == {"empty messages skipped": 33}
    assert ChitchatCorpus.resembles(beginning(path)).score >= 0.9
